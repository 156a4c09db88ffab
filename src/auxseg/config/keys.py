"""The options of a configuration by their dotted keys."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import Field, fields, is_dataclass
from functools import cache
from typing import Any, get_type_hints

from auxseg.config.schema import GROUPS, Config


@cache
def hints() -> dict[str, Any]:
    """Dotted key → the type of what every option takes."""
    types = {group: get_type_hints(cls) for group, cls in GROUPS.items()}
    return {
        key: item.metadata["takes"] or types[group_of(key)][item.name] for key, item in leaves()
    }


def group_of(key: str) -> str:
    """``training.epochs`` → ``training``."""
    return key.partition(".")[0]


def leaves() -> Iterator[tuple[str, Field[Any]]]:
    """Every option as (dotted key, dataclass field), in the order of the help text."""
    for group, cls in GROUPS.items():
        for item in fields(cls):
            yield f"{group}.{item.name}", item


def flags() -> dict[str, str]:
    """Short form, as a Python keyword → dotted key: ``image_size`` → ``data.image_size``."""
    return {
        item.metadata["flag"].replace("-", "_"): key
        for key, item in leaves()
        if item.metadata["flag"]
    }


def default_of(item: Field[Any]) -> Any:
    """An option's default value."""
    return item.default_factory() if callable(item.default_factory) else item.default


def dotted(config: Config) -> dict[str, Any]:
    """The value of every option, by dotted key."""
    return {key: getattr(getattr(config, group_of(key)), item.name) for key, item in leaves()}


def plain(config: Any) -> Any:
    """A configuration as nested dicts, lists and plain values, for YAML and comparison."""
    if is_dataclass(config):
        return {item.name: plain(getattr(config, item.name)) for item in fields(config)}
    if isinstance(config, dict):
        return {key: plain(value) for key, value in config.items()}
    if isinstance(config, (tuple, list)):
        return [plain(value) for value in config]
    return config
