"""A wish to stop: training ends after the step in progress, with all it has kept."""

from __future__ import annotations

import signal
import threading
from types import FrameType
from typing import Any

from auxseg.errors import Preempted


class StopSignals:
    """Notes SIGTERM and SIGINT (Ctrl-C) instead of dying of them. A second one ends at once.

    Only the main thread can take signals: elsewhere they stay what they are.

    Attributes:
        received: the signal that came first; None so far.
    """

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self._before: dict[signal.Signals, Any] = {}

    def listen(self) -> None:
        """From now on signals are noted."""
        if threading.current_thread() is threading.main_thread():
            for one in (signal.SIGTERM, signal.SIGINT):
                self._before[one] = signal.signal(one, self._note)

    def restore(self) -> None:
        """From now on signals do what they did before.

        Unless somebody else has changed that meanwhile: Lightning puts its own handlers away before
        it tells its callbacks, and putting them back would keep the network alive, and SIGTERM
        without effect, for the rest of the program.
        """
        for one, handler in self._before.items():
            if signal.getsignal(one) == self._note:
                signal.signal(one, handler)
        self._before = {}

    def _note(self, number: int, frame: FrameType | None) -> None:
        if self.received is not None:
            raise stopped_by(signal.Signals(number))
        self.received = signal.Signals(number)


def stopped_by(received: signal.Signals) -> BaseException:
    """What ends a program that was told to stop: no error, so that nothing tries again."""
    return KeyboardInterrupt() if received is signal.SIGINT else Preempted(received.name)
