"""What a fit was begun with: it goes on with that and with nothing else."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from auxseg.errors import UsageError
from auxseg.runs.files import write_text

#: The file, in the run directory.
FILE = "fit.json"
#: The only option that may change: where the photos lie now.
MOVES = "data.root"


@dataclass(frozen=True)
class Begun:
    """What was asked for, and what was announced then.

    Attributes:
        options: dotted key → value, as text, of what the user gave.
    """

    minutes: float
    options: Mapping[str, str]
    seconds: float

    @classmethod
    def read(cls, out: Path) -> Begun | None:
        """Of the run in a folder; None where nothing was begun there.

        Raises:
            UsageError: there is something else, which would be overwritten.
        """
        file = out / FILE
        if not file.is_file():
            if out.exists() and (not out.is_dir() or any(out.iterdir())):
                raise UsageError(f"{out}: is not a run of `auxseg fit`; choose another --out")
            return None
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except (OSError, ValueError, TypeError) as error:
            raise UsageError(f"{file}: cannot be read ({error}); choose another --out") from None

    def write(self, out: Path) -> None:
        """Writes the file, before anything else is in the folder."""
        content = {"minutes": self.minutes, "options": self.options, "seconds": self.seconds}
        write_text(out / FILE, json.dumps(content, indent=2) + "\n")

    def check(self, minutes: float, options: Mapping[str, Any], out: Path) -> None:
        """Raises UsageError for what is asked for now and was not then."""
        now = as_text(options)
        for key in sorted({*now, *self.options} - {MOVES}):
            if now.get(key) != self.options.get(key):
                raise UsageError(
                    f"{out}: was begun with {key} {self.options.get(key, 'not given')}, not "
                    f"{now.get(key, 'without it')}; choose another --out"
                )
        if minutes != self.minutes:
            raise UsageError(
                f"{out}: was begun with {self.minutes:g} minutes, not {minutes:g}; choose another "
                "--out, or remove it to begin anew"
            )


def as_text(options: Mapping[str, Any]) -> dict[str, str]:
    """Options as the file keeps them."""
    return {key: str(value) for key, value in options.items()}
