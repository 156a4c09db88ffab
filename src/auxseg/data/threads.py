"""The same work on many files, in a few threads."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

from auxseg.progress import tracked

T = TypeVar("T")

#: More readers than this gain nothing on one disk.
MOST = 8


def in_threads(work: Callable[[Any], T], items: Sequence[Any], text: str) -> list[T]:
    """``work`` of every item, in order.

    Args:
        text: what is done, for a user who waits.
    """
    with ThreadPoolExecutor(min(MOST, os.cpu_count() or 1)) as pool:
        return list(tracked(pool.map(work, items), text, len(items)))
