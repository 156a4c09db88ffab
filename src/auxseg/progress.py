"""How far something is that takes long: a bar on a terminal, a line now and then in a log."""

from __future__ import annotations

import multiprocessing
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TypeVar

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    TextColumn,
    TimeRemainingColumn,
)

from auxseg.processes import first_of_several

T = TypeVar("T")

#: Seconds before a bar is shown: what is done sooner needs none.
AFTER = 1.0
#: Seconds between two lines in a log.
EVERY = 30.0


@contextmanager
def progress(text: str, total: int) -> Iterator[Callable[[], None]]:
    """Shows on stderr how far it is, and how much time is left.

    Args:
        text: what is done, such as ``reading photos``.
        total: how many there are, at most.

    Yields:
        what to call, from one thread, when one more is done.
    """
    if _beside_others():
        yield lambda: None
        return
    shown = _Bar(text, total) if sys.stderr.isatty() else _Lines(text, total)
    try:
        yield shown.advance
    finally:
        shown.stop()


def tracked(items: Iterable[T], text: str, total: int) -> Iterator[T]:
    """Hands on the items, and shows how far it is (:func:`progress`)."""
    with progress(text, total) as advance:
        for item in items:
            yield item
            advance()


def counted(count: int, what: str) -> str:
    """``1 photo``, ``2 photos``."""
    return f"{count} {what}{'s' * (count != 1)}"


def duration(seconds: float) -> str:
    """``42 s``, ``4 min 10 s`` or ``2 h 5 min``."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole} s"
    if whole < 3600:
        return f"{whole // 60} min {whole % 60} s"
    return f"{whole // 3600} h {whole % 3600 // 60} min"


def clock_time(seconds: float) -> str:
    """The hour at which so many seconds from now will have passed: ``14:05``; with the day, where
    that is not today."""
    then = datetime.now() + timedelta(seconds=seconds)
    return f"{then:%H:%M}" if then.date() == datetime.now().date() else f"{then:%d %B %H:%M}"


def _beside_others() -> bool:
    """Whether another process speaks for this one: a worker, or one of several that train."""
    return multiprocessing.parent_process() is not None or not first_of_several()


class _Lines:
    """One line every half a minute."""

    def __init__(self, text: str, total: int) -> None:
        self.text, self.total, self.done = text, total, 0
        self.started = self.told = time.monotonic()

    def advance(self) -> None:
        self.done += 1
        now = time.monotonic()
        if now - self.told >= EVERY:
            self.told = now
            each = (now - self.started) / self.done
            pace = f"{1 / each:.1f} per second" if each < 1 else f"{duration(each)} each"
            left = duration(max(self.total - self.done, 0) * each)
            line = f"{self.text}: {self.done} of {self.total}, {pace}, {left} left"
            print(line, file=sys.stderr, flush=True)

    def stop(self) -> None:
        pass


class _Bar:
    """A bar that vanishes in the end, below the lines that are printed meanwhile."""

    def __init__(self, text: str, total: int) -> None:
        columns = (
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeRemainingColumn(),
        )
        # Lines for a pipe must not pass through the console of the bar.
        both = sys.stdout.isatty()
        self.bar = Progress(
            *columns, console=Console(stderr=True), redirect_stdout=both, transient=True
        )
        self.task = self.bar.add_task(text, total=total)
        self.started, self.shown = time.monotonic(), False

    def advance(self) -> None:
        self.bar.advance(self.task)
        if not self.shown and time.monotonic() - self.started >= AFTER:
            self.bar.start()
            self.shown = True

    def stop(self) -> None:
        if self.shown:
            self.bar.stop()
