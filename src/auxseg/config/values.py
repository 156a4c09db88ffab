"""What people write (text, YAML, Python objects) → a value of the type that an option wants.

One conversion for command lines, files and keywords. So a list may be given as ``A,B``, as
``[A, B]`` or as a real list everywhere, and an error reads the same everywhere.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from pathlib import Path
from types import NoneType, UnionType
from typing import Any, Union, get_args, get_origin

import yaml

from auxseg.errors import UsageError


class Loader(yaml.SafeLoader):
    """YAML in which ``1e-3`` is a number, as it is in JSON and Python, and in YAML 1.2.

    A key that is there twice is an error: one of its values would be lost without a word.
    """

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                if key.value in seen:
                    raise yaml.constructor.ConstructorError(
                        problem=f"{key.value} is there twice", problem_mark=key.start_mark
                    )
                seen.add(key.value)
        return super().construct_mapping(node, deep)


class Dumper(yaml.SafeDumper):
    """Writes what :class:`Loader` reads: text that it would take for a number is quoted."""


for yaml_class in (Loader, Dumper):
    yaml_class.add_implicit_resolver(
        "tag:yaml.org,2002:float",
        re.compile(r"[-+]?\d+(\.\d*)?[eE][-+]?\d+$"),
        list("-+0123456789"),
    )


def load_yaml(text: str) -> Any:
    """Plain values from YAML; raises :class:`yaml.YAMLError`."""
    return yaml.load(text, Loader)


def dump_yaml(values: Any) -> str:
    """Plain values as YAML that :func:`load_yaml` reads as the same, in their order."""
    return yaml.dump(values, Dumper=Dumper, sort_keys=False)


def load_value(text: str) -> Any:
    """A value of unknown type from a command line: what YAML makes of it, else the text itself."""
    try:
        return load_yaml(text)
    except yaml.YAMLError:
        return text


def convert(key: str, hint: Any, value: Any) -> Any:
    """Converts a value to the type of an option.

    Args:
        key: names the option in errors.
        hint: ``int``, ``float``, ``bool``, ``str``, ``Path``, ``Any``, tuples, lists and dicts of
            those, and unions with each other and with None. A tuple of any length holds names: at
            least one, none of them twice. A list holds whatever it is given.
        value: text, which means the same on a command line and in a file, or a plain value.

    Raises:
        UsageError: names the key, what it takes and what it got.
    """
    try:
        return _as(key, hint, value)
    except ValueError:
        got = "null" if value is None else repr(value)
        raise UsageError(f"{key}: expected {describe(hint)}, got {got}") from None


def _as(key: str, hint: Any, value: Any) -> Any:
    """As :func:`convert`, but raises ValueError where the value is of another type."""
    origin = get_origin(hint)
    if origin in (Union, UnionType):
        return _member(key, get_args(hint), value)
    if origin is tuple:
        return _sequence(key, get_args(hint), value)
    if origin is list:
        return [_as(key, get_args(hint)[0], item) for item in _items(value)]
    if origin is dict:
        return _mapping(key, get_args(hint)[1], value)
    return _READERS[hint](value)


def _member(key: str, hints: tuple[Any, ...], value: Any) -> Any:
    if NoneType in hints and value in (None, "null"):
        return None
    for hint in sorted(hints, key=lambda hint: hint is str):  # text takes anything: it comes last
        if hint is not NoneType:
            try:
                return _as(key, hint, value)
            except ValueError:
                continue
    raise ValueError


def _sequence(key: str, hints: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    given = _items(value)
    if hints[-1] is not Ellipsis:
        return tuple(_as(key, hint, item) for hint, item in zip(hints, given, strict=True))
    items = tuple(_as(key, hints[0], item) for item in given)
    if not items:
        raise UsageError(f"{key}: is empty; name at least one")
    for item in items:
        if items.count(item) > 1:
            raise UsageError(f"{key}: {item} is listed twice")
    return items


def _items(value: Any) -> list[Any]:
    """The items of a list, however it is written."""
    if isinstance(value, (list, tuple)):
        return list(value)
    if not isinstance(value, str):
        raise ValueError
    text = value.strip()
    if text.startswith("["):
        try:
            # The items stay text, as they do without the brackets: each is converted by its type.
            found = yaml.load(text, yaml.BaseLoader)
        except yaml.YAMLError:
            raise ValueError from None
        return list(found)
    items = [item.strip() for item in text.split(",")]
    if items[-1] == "":
        items.pop()  # "A," is a list of one, and "" an empty one
    if "" in items:
        raise ValueError
    return items


def _mapping(key: str, hint: Any, value: Any) -> dict[str, Any]:
    if isinstance(value, str):
        value = load_value(value)
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        raise ValueError
    return {name: convert(f"{key}.{name}", hint, item) for name, item in value.items()}


def _int(value: Any) -> int:
    if isinstance(value, str):
        return int(value)
    if isinstance(value, Integral) and not isinstance(value, bool):
        return int(value)
    raise ValueError


def _float(value: Any) -> float:
    if isinstance(value, str) or (isinstance(value, Real) and not isinstance(value, bool)):
        return float(value)
    raise ValueError


def _bool(value: Any) -> bool:
    found = load_value(value) if isinstance(value, str) else value
    if isinstance(found, bool):
        return found
    raise ValueError


def _str(value: Any) -> str:
    if isinstance(value, (str, Path)):
        return str(value)
    raise ValueError


def _any(value: Any) -> Any:
    """A plain value, as YAML can hold it."""
    if isinstance(value, Path):
        return str(value)
    if isinstance(value, Mapping):
        return {name: _any(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_any(item) for item in value]
    return value


_READERS: dict[Any, Callable[[Any], Any]] = {
    int: _int,
    float: _float,
    bool: _bool,
    str: _str,
    Path: lambda value: Path(_str(value)),
    Any: _any,
}

_NAMES = {
    int: "int",
    float: "float",
    bool: "bool (true or false)",
    str: "text",
    Path: "path",
    Any: "any value",
    NoneType: "null",
}


def describe(hint: Any) -> str:
    """A type in words: ``int or null``."""
    origin, parts = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        return " or ".join(describe(part) for part in parts)
    if origin in (tuple, list):
        count = f"{len(parts)} " if origin is tuple and parts[-1] is not Ellipsis else ""
        return f"{count}comma-separated values ({_NAMES[parts[0]]})"
    if origin is dict:
        return "a mapping such as {name: value}"
    return _NAMES[hint]
