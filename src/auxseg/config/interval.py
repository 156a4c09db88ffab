"""How often something is done: every so many steps, or every so many seconds."""

from __future__ import annotations

import re
from dataclasses import dataclass

from auxseg.errors import UsageError


@dataclass(frozen=True)
class Interval:
    """An interval.

    Attributes:
        number: how many, at least 1.
        unit: ``steps`` or ``seconds``.
    """

    number: int
    unit: str

    @classmethod
    def parse(cls, key: str, value: int | str) -> Interval:
        """Reads ``7`` (steps) or ``60s`` (seconds).

        >>> Interval.parse("training.checkpoint_every", "60s")
        Interval(number=60, unit='seconds')

        Raises:
            UsageError: it is neither; names ``key``.
        """
        found = re.fullmatch(r"(\d+)(s?)", str(value))
        if found is None or int(found[1]) < 1:
            raise UsageError(
                f"{key}: takes a number of steps, such as 500, or of seconds, such as 60s; got "
                f"{value!r}"
            )
        return cls(int(found[1]), "seconds" if found[2] else "steps")
