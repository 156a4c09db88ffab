"""``python -m auxseg``."""

from auxseg.cli import main

if __name__ == "__main__":
    main()
