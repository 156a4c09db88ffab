"""Calls a class with options that a user wrote."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any, TypeVar, get_args, get_type_hints

from auxseg.config.parsing import Parser
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
    hints = get_type_hints(factory.__init__)
    allowed = [name for name in inspect.signature(factory).parameters if name not in fixed]
    for name in options:
        if name not in allowed:
            known = f"allowed are {', '.join(allowed)}" if allowed else "it has no options"
            raise UsageError(f"{where}.{name}: unknown option; {known}")
    parser = Parser(prog=where)
    for name in options:
        parser.add_argument(f"--{name}", type=hints[name])
    try:
        checked = parser.parse_plain(options)
    except UsageError as error:
        raise UsageError(f"{where}.{error}") from None
    for name, value in options.items():
        # To the parser None means "not given", whatever the type.
        if value is None and type(None) not in get_args(hints[name]):
            raise UsageError(f"{where}.{name}: null is not allowed")
    return factory(**fixed, **{name: checked[name] for name in options})
