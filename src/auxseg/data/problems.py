"""All that is wrong with a data set's files at once: one line to stop on, or a list to mend."""

from __future__ import annotations

from collections.abc import Sequence

from auxseg.data.base import Dataset
from auxseg.errors import DataError


class DataProblemsError(DataError):
    """Raised by a data set's ``__init__`` when its files contradict themselves.

    The message is the first problem and the number of the others, so training stops with one
    line. :func:`auxseg.data.checks.check_root` catches it, lists every problem, and goes on
    reading through :attr:`partial`.

    Attributes:
        problems: one line each, naming file and row.
        partial: the data set without the faulty rows. For checking only.
    """

    def __init__(self, problems: Sequence[str], partial: Dataset) -> None:
        further = len(problems) - 1
        tail = f" (and {further} more; `auxseg data check` lists them)" if further else ""
        super().__init__(problems[0] + tail)
        self.problems = tuple(problems)
        self.partial = partial

    def __reduce__(self) -> tuple[type[DataError], tuple[str]]:
        # Sent from a worker process: the message is what counts there.
        return DataError, (str(self),)
