"""One network at work at a time: it uses all cores. Where the queue is long, come again later.

Requests are answered by an event loop, which only this keeps free of computing.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import Any, TypeVar

T = TypeVar("T")


class BusyError(Exception):
    """There is no place in the queue.

    Attributes:
        seconds: after which there should be one.
    """

    def __init__(self, seconds: int) -> None:
        super().__init__(f"busy; try again in {seconds} s")
        self.seconds = seconds


class Desk:
    """A thread that works, and a queue of bounded length in front of it.

    Args:
        waiting: how many may wait while one is at work.
    """

    def __init__(self, waiting: int) -> None:
        self.waiting, self.inside = waiting, 0
        self._pool = ThreadPoolExecutor(1, thread_name_prefix="network")
        self._seconds = 1.0  # that a piece of work takes, averaged over the last few

    @property
    def idle(self) -> bool:
        return self.inside == 0

    @property
    def soon(self) -> int:
        """Seconds after which there should be a place, at least 1."""
        return max(1, math.ceil(self._seconds * self.inside))

    async def run(self, work: Callable[..., T], *arguments: Any) -> T:
        """The result of some work, done by the thread.

        Raises:
            BusyError: the queue is full.
        """
        if self.inside > self.waiting:
            raise BusyError(self.soon)
        self.inside += 1
        try:
            loop = asyncio.get_running_loop()
            return await loop.run_in_executor(self._pool, self._timed, work, *arguments)
        finally:
            self.inside -= 1

    def _timed(self, work: Callable[..., T], *arguments: Any) -> T:
        began = time.monotonic()
        try:
            return work(*arguments)
        finally:
            self._seconds += 0.2 * (time.monotonic() - began - self._seconds)

    def close(self) -> None:
        """Ends the thread after what it is at."""
        self._pool.shutdown(cancel_futures=True)
