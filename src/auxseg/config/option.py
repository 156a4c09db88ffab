"""What an option is: a dataclass field with its help, its short flag, its range and its needs."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import field, fields
from typing import Any

from auxseg.errors import UsageError

#: The keys of a field's metadata that limit its numbers.
LIMITS = ("minimum", "above", "maximum")


def option(
    default: Any,
    help: str,
    *,
    flag: str | None = None,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
    needs: str | None = None,
    takes: Any = None,
    replaces: tuple[str, ...] = (),
) -> Any:
    """A dataclass field with what command lines, files and checks want to know of it.

    Args:
        flag: its short form on the command line, without dashes.
        minimum, above, maximum: limits of its numbers, also of those in a list or mapping.
        needs: the dotted key of an option without which this one has no effect, or ``KEY=VALUE``
            where it takes that value (:mod:`auxseg.config.effects`).
        takes: the type of what a user may give, where it is more than what the field holds.
        replaces: dotted keys of options that a file, or whatever else is laid below, gave in vain
            where this one is given.
    """
    limits = {"minimum": minimum, "above": above, "maximum": maximum}
    metadata = {"help": help, "flag": flag, "needs": needs, "takes": takes, **limits}
    metadata["replaces"] = replaces
    if isinstance(default, dict):
        return field(default_factory=lambda: dict(default), metadata=metadata)
    return field(default=default, metadata=metadata)


class Group:
    """A group of options: checks its numbers against the limits of its fields."""

    GROUP = ""

    def __post_init__(self) -> None:
        for item in fields(self):  # type: ignore[arg-type]
            limits = {name: item.metadata[name] for name in LIMITS}
            check_range(f"{self.GROUP}.{item.name}", getattr(self, item.name), **limits)


def check_range(
    key: str,
    value: Any,
    *,
    minimum: float | None = None,
    above: float | None = None,
    maximum: float | None = None,
) -> None:
    """Raises :class:`UsageError` for a number in a value that is out of range or not finite."""
    for name, number in _numbers(key, value):
        if not math.isfinite(number):
            raise UsageError(f"{name}: must be a finite number, got {number}")
        if minimum is not None and number < minimum:
            raise UsageError(f"{name}: must be at least {minimum}, got {number}")
        if above is not None and number <= above:
            raise UsageError(f"{name}: must be above {above}, got {number}")
        if maximum is not None and number > maximum:
            raise UsageError(f"{name}: must be at most {maximum}, got {number}")


def _numbers(key: str, value: Any) -> Iterator[tuple[str, float]]:
    """Every number in a value, with its dotted key."""
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        yield key, value
    elif isinstance(value, tuple):
        for item in value:
            yield from _numbers(key, item)
    elif isinstance(value, dict):
        for name, item in value.items():
            yield from _numbers(f"{key}.{name}", item)
