"""How far it is, for logs: photos per second, and when the end is expected."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import timedelta

#: Seconds between two lines.
EVERY = 30.0


class Pace:
    """Tells every half a minute how far it is.

    Args:
        total: how many photos there are, at most.
        tell: called with each line.
    """

    def __init__(self, total: int, tell: Callable[[str], None]) -> None:
        self.total, self.tell, self.done = total, tell, 0
        self.started = self.told = time.monotonic()

    def advance(self) -> None:
        """One more photo is done."""
        self.done += 1
        now = time.monotonic()
        if now - self.told >= EVERY:
            self.told = now
            rate = self.done / (now - self.started)
            left = timedelta(seconds=round((self.total - self.done) / rate))
            self.tell(f"{self.done} photos, {rate:.1f} per second, at most {left} left")
