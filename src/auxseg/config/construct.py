"""Calls a class with options that a user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, get_type_hints

from auxseg.config.values import convert
from auxseg.errors import UsageError

T = TypeVar("T")


def construct(factory: type[T], where: str, options: Mapping[str, Any], **fixed: Any) -> T:
    """Calls a class with a user's options, checked against its signature and type hints.

    Args:
        where: the key below which the options stand, such as ``tasks.options.bbox``.
        fixed: what the program itself passes.

    Raises:
        UsageError: an unknown option or one of a wrong type; names it and what is allowed.
    """
    allowed = [name for name in inspect.signature(factory).parameters if name not in fixed]
    for name in options:
        if name not in allowed:
            known = f"allowed are {', '.join(allowed)}" if allowed else "it has no options"
            raise UsageError(f"{where}.{name}: unknown option; {known}")
    # Of `__init__` itself: a class's own annotations are not those of its arguments.
    hints = get_type_hints(inspect.getattr_static(factory, "__init__"))
    return factory(
        **fixed,
        **{name: convert(f"{where}.{name}", hints[name], options[name]) for name in options},
    )
