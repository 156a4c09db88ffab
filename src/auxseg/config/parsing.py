"""Command lines, YAML files and Python keywords → :class:`~auxseg.config.Config`.

One parser for all three, so that the same key has the same name, type and error everywhere.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, get_type_hints

import yaml
from jsonargparse import ArgumentError, ArgumentParser, Namespace

from auxseg.config.presets import with_task_options
from auxseg.config.schema import GROUPS, Config, flags, leaves
from auxseg.errors import UsageError

#: What a run's ``config.yaml`` holds beside its options.
RUN_KEYS = ("version", "preset", "classes", "images", "weights_licence")


class Parser(ArgumentParser):
    """An argument parser whose errors are one line with the status of a wrong usage."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(exit_on_error=False, allow_abbrev=False, **kwargs)

    def parse(self, arguments: Sequence[str]) -> Namespace:
        """Parses a command line; raises :class:`UsageError` naming what is wrong and allowed."""
        if "--data.name" in self._option_string_actions:
            arguments = [_unshadow(argument) for argument in arguments]
        if "--config" in self._option_string_actions:
            arguments = _files_first(arguments)
        try:
            return self.parse_args(list(arguments))
        except ArgumentError as error:
            line = self._one_line(str(error))
            raise UsageError(re.sub(r"^\w+(?=: )", self._as_option, line)) from None

    def parse_plain(self, values: Mapping[str, Any]) -> Namespace:
        """Parses nested plain values, as from a YAML file, with the same checks and errors."""
        _check_nesting(values, "options")
        try:
            return self.parse_object(dict(values))
        except ArgumentError as error:
            raise UsageError(self._one_line(str(error))) from None

    def _one_line(self, message: str) -> str:
        line = re.sub(r"\s+", " ", message).strip()
        line = re.sub(r'^Parser key "([^"]+)": ', r"\1: ", line)
        line = re.sub(r"<class '(\w+)'>", r"\1", line)
        line = re.sub(
            r"Does not validate against any of the Union subtypes Subtypes: \[(.*?)\] Errors: .* "
            r"Given value: (.*)",
            lambda union: f"Expected {_alternatives(union.group(1))}. Got value: {union.group(2)}",
            line,
        )
        required = re.match(r"the following arguments are required: (.*)", line)
        if required:
            return f"missing: {', '.join(map(self._spelled, required.group(1).split(', ')))}"
        unknown = re.match(r"(?:unrecognized arguments: --|Option ')([\w.-]+)", line)
        if unknown:
            return self._unknown(unknown.group(1))
        return line

    def _as_option(self, key: re.Match[str]) -> str:
        """A verb's own key as its user writes it; dotted keys are the same in files."""
        option = f"--{key[0].replace('_', '-')}"
        return option if option in self._option_string_actions else key[0]

    def _spelled(self, name: str) -> str:
        return f"--{name}" if f"--{name}" in self._option_string_actions else name

    def _unknown(self, key: str) -> str:
        known = [
            name.removeprefix("--") for action in self._actions for name in action.option_strings
        ]
        close = difflib.get_close_matches(key, known, n=3, cutoff=0.5)
        hint = f"did you mean {' or '.join(close)}?" if close else "no option is called that;"
        return f"unknown option {key!r}: {hint} `{self.prog} --help` lists them all"


def _alternatives(subtypes: str) -> str:
    """``int, NoneType`` → ``int or null``."""
    return " or ".join("null" if one == "NoneType" else one for one in subtypes.split(", "))


def verb_parser(verb: str, function: Callable[..., int], example: str) -> Parser:
    """The parser of one verb, whose function's docstring says what it does."""
    text = (function.__doc__ or "").strip()
    return Parser(
        prog=f"auxseg {verb}", description=f"{text[0].upper()}{text[1:]}. Example: {example}"
    )


def _unshadow(argument: str) -> str:
    """``--data NAME`` → ``--data.name NAME``: a flag of its own would hide the group ``data``."""
    return re.sub(r"^--data(?==|$)", "--data.name", argument)


def _files_first(arguments: Sequence[str]) -> list[str]:
    """Moves ``--config FILE`` to the front: what the command line says wins, wherever it stands."""
    files: list[str] = []
    others: list[str] = []
    rest = list(arguments)
    while rest:
        argument = rest.pop(0)
        if argument == "--config" and rest:
            argument += f"={rest.pop(0)}"
        (files if argument.startswith("--config=") else others).append(argument)
    return [f"--config={_options_of(argument, others)}" for argument in files] + others


def _options_of(argument: str, others: Sequence[str]) -> str:
    """The options in a file as YAML text; a run's ``config.yaml`` says more than options."""
    path = argument.removeprefix("--config=")
    values = read_yaml(Path(path))
    _check_nesting(values, path)
    name = values.get("preset")
    if name is not None and name not in others:
        raise UsageError(f"{path}: is the configuration of {name}; train that preset with it")
    options = {key: value for key, value in values.items() if key not in RUN_KEYS}
    return yaml.safe_dump(options)


def _check_nesting(values: Any, source: str) -> None:
    """Raises :class:`UsageError` unless options lie in their groups."""
    if not isinstance(values, Mapping):
        raise UsageError(f"{source}: expected groups of options, such as training: {{epochs: 30}}")
    for group in GROUPS:
        if group in values and not isinstance(values[group], Mapping):
            raise UsageError(
                f"{source}: {group} is {values[group]!r}; expected options below it, such as "
                f"{next(key for key, _ in leaves() if key.startswith(group))}"
            )


def add_options(
    parser: Parser, choices: Mapping[str, Iterable[str]], hidden: Iterable[str] = ()
) -> None:
    """Adds every configuration key to a parser, with its short flag and its allowed values.

    Args:
        choices: dotted key → allowed values (the keys of the packages' dicts).
        hidden: keys that this verb sets by itself.
    """
    hints = {group: get_type_hints(cls) for group, cls in GROUPS.items()}
    parser.add_argument("--config", action="config", help="a YAML file of these options, nested")
    for key, item in leaves():
        if key in hidden:
            continue
        group, name = key.split(".")
        names = [f"--{key}"]
        if item.metadata["flag"] and item.metadata["flag"] not in GROUPS:
            names.append(f"--{item.metadata['flag']}")
        allowed = tuple(choices.get(key, ()))
        default = item.default_factory() if callable(item.default_factory) else item.default
        parser.add_argument(
            *names,
            type=hints[group][name],
            default=default,
            help=_help(item.metadata, allowed),
        )


def _help(metadata: Mapping[str, Any], allowed: tuple[str, ...]) -> str:
    short = f" (short: --{metadata['flag']})" if metadata["flag"] in GROUPS else ""
    return metadata["help"] + (f": {', '.join(allowed)}" if allowed else "") + short


def to_config(preset: str, namespace: Namespace, choices: Mapping[str, Iterable[str]]) -> Config:
    """Makes the configuration; raises :class:`UsageError` for a value out of range or unknown."""
    groups = {}
    for group, cls in GROUPS.items():
        values = namespace.get(group, Namespace())
        groups[group] = cls(**dict(vars(values)))
    tasks = groups["tasks"]
    options = with_task_options(preset, tasks.names, tasks.options)
    config = Config(preset=preset, **{**groups, "tasks": replace(tasks, options=options)})
    for key, allowed in choices.items():
        value = getattr(getattr(config, key.split(".")[0]), key.split(".")[1])
        for one in value if isinstance(value, tuple) else (value,):
            if not any(_matches(one, pattern) for pattern in allowed):
                raise UsageError(f"{key}: {one!r} is unknown; allowed are {', '.join(allowed)}")
    return config


def _matches(value: str, pattern: str) -> bool:
    """Whether a value is the allowed one; ``timm:NAME`` allows any name behind ``timm:``."""
    if not pattern.endswith(":NAME"):
        return value == pattern
    prefix = pattern.removesuffix("NAME")
    return value.startswith(prefix) and len(value) > len(prefix)


def from_plain(
    preset: str, values: Mapping[str, Any], choices: Mapping[str, Iterable[str]]
) -> Config:
    """A configuration from nested plain values (a run's ``config.yaml``), defaults elsewhere."""
    parser = Parser(prog="auxseg train")
    add_options(parser, choices)
    return to_config(preset, parser.parse_plain(values), choices)


def nested(options: Mapping[str, Any]) -> dict[str, dict[str, Any]]:
    """Python keywords (``epochs=3``) and dotted keys (``{"training.lr": 1e-3}``) → nested values.

    Raises:
        UsageError: a keyword that is no option.
    """
    short = flags()
    known = {key for key, _ in leaves()}
    values: dict[str, dict[str, Any]] = {}
    for name, value in options.items():
        key = short.get(name, name)
        if key not in known:
            close = difflib.get_close_matches(name, [*short, *known], n=3, cutoff=0.5)
            allowed = (
                f"did you mean {' or '.join(close)}?"
                if close
                else f"short options are {', '.join(short)}"
            )
            raise UsageError(f"unknown option {name!r}; {allowed}")
        group, item = key.split(".")
        values.setdefault(group, {})[item] = str(value) if isinstance(value, Path) else value
    return values


def merge(*layers: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Nested values laid over one another; the last layer wins key by key."""
    merged: dict[str, dict[str, Any]] = {}
    for layer in layers:
        for group, values in layer.items():
            merged.setdefault(group, {}).update(values)
    return merged


def read_yaml(path: Path) -> Any:
    """Reads a YAML file; raises :class:`UsageError` with file and line where it is not YAML."""
    try:
        return yaml.safe_load(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UsageError(f"{path}: cannot be read ({error.strerror})") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None
