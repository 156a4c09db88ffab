"""The caches that are there: how large they are, when they were last used, and which may go."""

from __future__ import annotations

import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.arrays import META
from auxseg.data.cache import cache_root

DAY = 24 * 3600


@dataclass(frozen=True)
class Stored:
    """A cache of decoded images.

    Attributes:
        count: how many images it holds.
        size: their side, in pixels.
        bytes: on the disk.
        used: when it was last opened, in seconds since 1970.
    """

    folder: Path
    name: str
    count: int
    size: int
    bytes: int
    used: float

    @property
    def days(self) -> float:
        """Since it was last opened."""
        return (time.time() - self.used) / DAY


def stored(cache_dir: Path | None = None) -> list[Stored]:
    """The caches in the folder for caches, the one that was not used for longest first."""
    found = []
    for meta_file in (cache_root(cache_dir) / "decoded").glob(f"*/{META}"):
        try:
            meta = json.loads(meta_file.read_text(encoding="utf-8"))
            size = sum(file.stat().st_size for file in meta_file.parent.iterdir())
            found.append(
                Stored(
                    *(meta_file.parent, meta["name"], meta["count"], meta["size"], size),
                    used=meta_file.stat().st_mtime,
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # none of ours, or just being removed by somebody else
    return sorted(found, key=lambda one: one.used)


def prune(older_than: float, cache_dir: Path | None = None) -> list[Stored]:
    """Removes the caches that were not opened for so many days; returns them.

    A process that reads one keeps what it has open; the next one decodes again.
    """
    old = [one for one in stored(cache_dir) if one.days >= older_than]
    for one in old:
        shutil.rmtree(one.folder, ignore_errors=True)
    return [one for one in old if not one.folder.exists()]
