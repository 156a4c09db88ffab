"""Networks by their name on Hugging Face's hub."""

from __future__ import annotations

import re
from pathlib import Path

from auxseg.errors import DataError, first_line
from auxseg.runs.hub import CONFIG, WEIGHTS

_NAME = re.compile(r"[\w.-]+/[\w.-]+")


def is_hub_name(text: str) -> bool:
    """Whether this may be ``owner/name``, and huggingface_hub is there to ask for it."""
    if _NAME.fullmatch(text) is None or text.startswith("."):
        return False
    try:
        import huggingface_hub  # noqa: F401
    except ImportError:
        return False
    return True


def fetched(name: str) -> Path:
    """The folder of a network on the hub, in the library's own cache.

    Raises:
        DataError: neither a run nor a name on the hub, or the hub cannot be asked.
    """
    from huggingface_hub import snapshot_download

    try:
        return Path(snapshot_download(name, allow_patterns=[CONFIG, WEIGHTS]))
    except Exception as error:  # of requests, of the hub, of the disk: no common base
        raise DataError(
            f"{name}: is no folder here, and Hugging Face's hub does not give it "
            f"({first_line(error)})"
        ) from None
