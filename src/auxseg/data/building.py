"""Folders that are built beside their final place and appear there by one rename.

So a folder that can be seen is complete, however a build ended and however many processes build at
once.
"""

from __future__ import annotations

import errno
import os
import shutil
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auxseg.errors import AuxsegError, DataError

_BUILDING = ".building-"
_LEFTOVER_SECONDS = 24 * 3600


def beside(folder: Path) -> Path:
    """A name for building a folder, which no other build has."""
    return folder.with_name(f"{folder.name}{_BUILDING}{uuid.uuid4().hex[:12]}")


@contextmanager
def appearing(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside ``folder``, which may be there and empty; renamed in the end.

    Raises:
        DataError: it cannot be written. Errors of the block name ``folder``, as its user does.
    """
    building = beside(folder)
    try:
        building.mkdir(parents=True)
        yield building
        if folder.exists():
            folder.rmdir()
        building.rename(folder)
    except AuxsegError as error:
        error.args = (str(error).replace(str(building), str(folder)),)
        raise
    except OSError as error:
        raise DataError(f"{folder}: cannot be written ({error.strerror or error})") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)


def rename(source: Path, target: Path) -> bool:
    """Whether the folder could be renamed; not if the target exists or another took the source."""
    try:
        os.rename(source, target)
    except OSError as error:
        if error.errno in (errno.EEXIST, errno.ENOTEMPTY, errno.ENOENT):
            return False
        raise
    return True


def remove_leftovers(parent: Path) -> None:
    """Removes what builds left behind that were killed more than a day ago."""
    for leftover in parent.glob(f"*{_BUILDING}*"):
        try:
            touched = max(path.stat().st_mtime for path in (leftover, *leftover.iterdir()))
        except FileNotFoundError:
            continue  # its own build has just finished
        if time.time() - touched > _LEFTOVER_SECONDS:
            shutil.rmtree(leftover, ignore_errors=True)  # it may be another user's
