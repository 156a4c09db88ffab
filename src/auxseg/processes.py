"""Processes that belong to another one."""

from __future__ import annotations

import os
import threading
import time

#: Seconds between two looks.
_EVERY = 1.0


def end_with(parent: int) -> None:
    """Ends this process soon after the one that started it has ended, however that was.

    torch and Python tell their processes to end, but a parent that is killed tells nobody. What
    waits for it then waits for ever, and holds memory and the pipe of its output.

    Args:
        parent: its number, as it says itself: it may be gone already.
    """

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_EVERY)
        os._exit(1)

    threading.Thread(target=watch, name="end-with-parent", daemon=True).start()


def first_of_several() -> bool:
    """Whether this is the process, of a training that several share, that writes.

    torchrun and Slurm number all processes, Lightning those of this machine. To be asked only where
    there are several: a Slurm job may hold many trainings of one process.
    """
    ranks = ("RANK", "SLURM_PROCID", "LOCAL_RANK")
    return all(os.environ.get(name, "0") == "0" for name in ranks)
