"""TensorBoard's events on a disk that may be full."""

from __future__ import annotations

import errno
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from auxseg.errors import DataError

#: What a disk says that takes no more.
_FULL = (errno.ENOSPC, errno.EFBIG, errno.EDQUOT, errno.EROFS, errno.EIO)


@contextmanager
def writing_events(folder: Path) -> Iterator[None]:
    """Raises :class:`DataError` where events can no longer be written into a folder.

    A thread writes them. Where it fails, Python prints its traceback, and the next event raises the
    same error where it can be explained: here.
    """
    before = threading.excepthook

    def hook(args: threading.ExceptHookArgs) -> None:
        writer = type(args.thread).__module__.startswith("tensorboard.")
        if not (writer and isinstance(args.exc_value, OSError)):
            before(args)

    threading.excepthook = hook
    try:
        yield
    except OSError as error:
        if error.errno not in _FULL:
            raise
        raise DataError(
            f"{folder}: TensorBoard's events cannot be written ({error.strerror}); make room"
        ) from None
    finally:
        threading.excepthook = before
