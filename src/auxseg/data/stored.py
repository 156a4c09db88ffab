"""The caches that are there: how large they are, when they were last used, and which may go."""

from __future__ import annotations

import json
import os
import shutil
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import pooch

from auxseg.data.arrays import META
from auxseg.errors import DataError

HOUR = 3600
DAY = 24 * HOUR


def cache_root(cache_dir: Path | None = None) -> Path:
    """The folder for everything that can be made again: the argument, else ``$AUXSEG_CACHE``,
    else the user's cache folder of the operating system."""
    return Path(cache_dir or os.environ.get("AUXSEG_CACHE") or pooch.os_cache("auxseg")).absolute()


@dataclass(frozen=True)
class Stored:
    """A cache of decoded images.

    Attributes:
        count: how many images it holds.
        fit: the size that they are kept at, as a user would say it.
        bytes: on the disk.
        used: when it was last opened, in seconds since 1970.
    """

    folder: Path
    name: str
    count: int
    fit: str
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
            fit = meta.get("fit") or "{0}×{0}".format(meta["size"])  # before there were others
            found.append(
                Stored(
                    *(meta_file.parent, meta["name"], meta["count"], fit, size),
                    used=meta_file.stat().st_mtime,
                )
            )
        except (OSError, ValueError, KeyError, TypeError):
            continue  # none of ours, or just being removed by somebody else
    return sorted(found, key=lambda one: one.used)


def written_datasets(cache_dir: Path | None = None) -> tuple[Path, int, int]:
    """Datasets of PyTorch that were written as folders: where, how many, and their bytes.

    They are no caches: runs that were trained on them read them when they are evaluated.
    """
    place = cache_root(cache_dir) / "torch"
    folders = [folder for folder in place.glob("*") if folder.is_dir()]
    size = sum(file.stat().st_size for folder in folders for file in folder.rglob("*"))
    return place, len(folders), size


def prune(older_than: float, cache_dir: Path | None = None) -> list[Stored]:
    """Removes the caches that were not opened for so many days; returns them.

    A process that reads one keeps what it has open; the next one decodes again.
    """
    return [one for one in stored(cache_dir) if one.days >= older_than and _remove(one)]


def make_room(limit: float, needed: int, cache_dir: Path | None = None) -> None:
    """Removes caches, the one that was not used for longest first, until another one fits.

    Those that were opened within the last hour stay: a run opens several, and others may be about
    to start their loader processes.

    Args:
        limit: of all caches together, in GB.
        needed: bytes of the one that is to be built.

    Raises:
        DataError: it does not fit even so.
    """
    there = stored(cache_dir)
    taken = needed + sum(one.bytes for one in there)
    for one in there:
        if taken <= limit * 1e9 or time.time() - one.used < HOUR:
            break
        if _remove(one):
            taken -= one.bytes
            print(
                f"removed the cache {one.folder} ({one.bytes / 1e9:.2f} GB, last used "
                f"{one.days:.0f} days ago): --data.cache_limit",
                file=sys.stderr,
            )
    if taken > limit * 1e9:
        raise DataError(
            f"{cache_root(cache_dir)}: the cache of decoded images needs {needed / 1e9:.2f} GB, "
            f"and caches that were used within the last hour take {(taken - needed) / 1e9:.2f}: "
            f"more than --data.cache_limit {limit:g}; raise it, or decode images whenever they "
            "are needed (--data.cache none)"
        )


def _remove(one: Stored) -> bool:
    """Whether a cache could be removed."""
    shutil.rmtree(one.folder, ignore_errors=True)
    return not one.folder.exists()
