"""Options that name one of several things: an architecture, a task, a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from auxseg.config.keys import dotted
from auxseg.config.schema import Config
from auxseg.errors import UsageError

#: How an allowed value ends that stands for any value with its prefix: ``timm:NAME``.
OPEN = ":NAME"


def check_choices(config: Config, choices: Mapping[str, Iterable[str]]) -> None:
    """Raises :class:`UsageError` for a value that is not among the allowed ones.

    Args:
        choices: dotted key → allowed values. One that ends in ``:NAME`` allows every value that
            has a name after the same prefix.
    """
    values = dotted(config)
    for key, allowed in choices.items():
        value = values[key]
        for one in value if isinstance(value, tuple) else (value,):
            if one is None:
                continue  # of an option that may be left to the program
            check_choice(key, one, tuple(allowed))


def check_choice(key: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raises :class:`UsageError` for a value that is not allowed; names all that are."""
    if not any(_matches(value, pattern) for pattern in allowed):
        raise UsageError(f"{key}: {value!r} is unknown; allowed are {', '.join(allowed)}")


def _matches(value: str, pattern: str) -> bool:
    if not pattern.endswith(OPEN):
        return value == pattern
    prefix = pattern.removesuffix("NAME")
    return value.startswith(prefix) and len(value) > len(prefix)
