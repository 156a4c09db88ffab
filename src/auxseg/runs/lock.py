"""One process at a time writes into a folder."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

from auxseg.errors import DataError, UsageError

#: The file that is locked, hidden and empty. It goes before it is let go of: who has opened it
#: meanwhile finds that it has no name any more, and is refused.
NAME = ".lock"


@contextmanager
def locked(folder: Path, part: str = "", *, wait: float = 0.0) -> Iterator[None]:
    """Holds a folder, which is made if need be; the system lets go of it when the process dies.

    A folder that was made and into which nothing was written is removed again.

    Args:
        part: what of it is held, where several processes write each into a part of their own.
        wait: seconds to wait for another process.

    Raises:
        UsageError: another process holds it.
        DataError: it cannot be made or locked.
    """
    made = [one for one in (folder, *folder.parents) if not one.exists()]
    name = f"{NAME}{part}"
    lock = FileLock(folder / name)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock.acquire(timeout=wait)
    except Timeout:
        raise UsageError(
            f"{folder}: another process is writing into it; wait for its end or choose another "
            "--out"
        ) from None
    except OSError as error:
        raise DataError(f"{folder}: cannot be locked ({error.strerror or error})") from None
    try:
        yield
    finally:
        (folder / name).unlink(missing_ok=True)
        lock.release()
        for one in made:
            _remove_if_empty(one)


def held(folder: Path, part: str) -> bool:
    """Whether another process holds a part of a folder, or this one does."""
    path = folder / f"{NAME}{part}"
    if not path.exists():
        return False
    lock = FileLock(path)
    try:
        lock.acquire(timeout=0)
    except Timeout:
        return True
    lock.release()
    return False


def is_empty(folder: Path) -> bool:
    """Whether there is nothing in a folder, but for its lock."""
    return all(path.name.startswith(NAME) for path in folder.iterdir())


def _remove_if_empty(folder: Path) -> None:
    if folder.is_dir() and not any(folder.iterdir()):
        folder.rmdir()
