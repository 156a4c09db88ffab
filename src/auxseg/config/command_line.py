"""A verb's command line: its own options, those of the configuration, and one-line errors."""

from __future__ import annotations

import argparse
from collections.abc import Callable, Container, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn

from auxseg.config.keys import default_of, group_of, hints, leaves
from auxseg.config.option import LIMITS, check_range
from auxseg.config.parsing import (
    Choices,
    is_mapping,
    overlay,
    read_options,
    unknown_option,
    with_value,
)
from auxseg.config.schema import GROUPS
from auxseg.config.values import convert, load_value
from auxseg.errors import UsageError


@dataclass(frozen=True)
class _Own:
    """What a parser knows of an option of the verb's own.

    Attributes:
        name: as its user writes it.
        default: its value where it is not given.
        limits: of its numbers.
        needs: the option without which it has no effect.
        unless: the options with which it has none.
    """

    name: str
    default: Any
    limits: Mapping[str, float | None]
    needs: str | None
    unless: Sequence[str]


class Parser(argparse.ArgumentParser):
    """The parser of one verb. Every error is one line (:class:`UsageError`)."""

    def __init__(self, verb: str, description: str = "") -> None:
        super().__init__(
            prog=f"auxseg {verb}",
            description=description,
            add_help=False,
            allow_abbrev=False,  # else --epoch would mean another option once that is added
            exit_on_error=False,
            argument_default=argparse.SUPPRESS,  # what was given is told from what was not
        )
        super().add_argument("-h", "--help", action="help", help="show this help and exit")
        self._own: dict[str, _Own] = {}
        self._keys: set[str] = set()
        self._dests: dict[str, str] = {}  # option string → where its value goes
        self._mappings: dict[str, str] = {}  # those of them that have names below them

    def add_argument(  # type: ignore[override]
        self,
        *names: str,
        help: str,
        type: Any = str,
        default: Any = None,
        needs: str | None = None,
        unless: Sequence[str] = (),
        **settings: Any,
    ) -> None:
        """Adds an option of the verb's own.

        Args:
            type: a type hint, see :func:`auxseg.config.values.convert`.
            needs: the option without which this one has no effect, and is refused.
            unless: the options with which this one has no effect, and is refused.
            settings: ``minimum``, ``above`` and ``maximum`` of its numbers; what argparse takes.
        """
        limits = {name: settings.pop(name, None) for name in LIMITS}
        if settings.get("action") == "store_true":
            default = False
        else:
            settings = _typed(names[0], type) | settings
            help += _shown(default)
        action = super().add_argument(*names, help=_escaped(help), **settings)
        self._own[action.dest] = _Own(names[0], default, limits, needs, unless)
        self._know(action, type)

    def add_options(
        self,
        choices: Choices,
        *,
        only: Container[str] | None = None,
        hidden: Container[str] = (),
        defaults: Mapping[str, Any] | None = None,
        listed: Container[str] | None = None,
    ) -> None:
        """Adds the options of the configuration, and ``--config`` for files of them.

        Args:
            choices: dotted key → allowed values.
            only: the keys that the verb has a use for; all by default.
            hidden: keys that it sets by itself.
            defaults: dotted key → what help shows as the default, where that is the verb's own.
            listed: the keys that help lists; all by default. The others are taken as well.
        """
        defaults = defaults or {}
        super().add_argument(
            "--config",
            action="append",
            metavar="FILE",
            help="a YAML file of the options below, nested; the command line wins over it",
        )
        sections: dict[str, Any] = {}
        for key, item in leaves():
            if key in hidden or (only is not None and key not in only):
                continue
            group, flag = group_of(key), item.metadata["flag"]
            names = [*([f"--{flag}"] if flag else []), f"--{key}"]
            settings = {"dest": key, **_typed(f"--{key}", hints()[key], key)}
            if listed is not None and key not in listed:
                action = super().add_argument(*names, help=argparse.SUPPRESS, **settings)
            else:
                if group not in sections:
                    title = f"{group} options"
                    sections[group] = self.add_argument_group(title, GROUPS[group].__doc__)
                allowed = ", ".join(choices.get(key, ()))
                text = item.metadata["help"]
                if key in defaults:
                    text = _without_default(text)
                text += f": {allowed}" if allowed else ""
                action = sections[group].add_argument(
                    *names,
                    help=_escaped(text + _shown(defaults.get(key, default_of(item)))),
                    **settings,
                )
            self._keys.add(key)
            self._know(action, hints()[key])

    def _know(self, action: argparse.Action, hint: Any) -> None:
        found = dict.fromkeys(action.option_strings, action.dest)
        self._dests |= found
        if is_mapping(hint):
            self._mappings |= found

    def parse(self, arguments: Sequence[str]) -> argparse.Namespace:
        """Parses a command line.

        Returns:
            the verb's own options by name; ``config``, the files of options; ``options``, the layer
            of the configuration's options that the command line gives.

        Raises:
            UsageError: names what is wrong and what is allowed.
        """
        self.usage = self._usage()
        self._add_nested(arguments)
        try:
            found, rest = self.parse_known_args(list(arguments))
        except argparse.ArgumentError as error:
            if error.argument_name is None:  # since Python 3.13, of what is missing
                self.error(error.message)
            raise UsageError(f"{error.argument_name}: {error.message}") from None
        if rest:
            self._refuse(rest[0])
        parsed = argparse.Namespace(config=[], options={})
        for dest, own in self._own.items():
            setattr(parsed, dest, own.default)
        given = set()
        for dest, value in vars(found).items():
            option, _, below = dest.partition(".")
            if option in GROUPS and below:
                parsed.options[dest] = value
                continue
            given.add(option)
            if below:
                value = with_value(getattr(parsed, option), below, value)
            setattr(parsed, option, value)
        for dest in [dest for dest in self._own if dest in given]:
            self._check(dest, getattr(parsed, dest), given)
        return parsed

    def layer(self, parsed: argparse.Namespace, preset: str | None = None) -> dict[str, Any]:
        """The options of the configuration that were given, in files and, on top, as such.

        Args:
            preset: the system whose runs' files may be given.
        """
        files = [(path, read_options(Path(path), preset)) for path in parsed.config]
        for path, options in files:
            for key in options:
                if key not in self._keys:
                    raise UsageError(f"{path}: `{self.prog}` has no option {key}")
        return overlay(*(options for _, options in files), parsed.options)

    def error(self, message: str) -> NoReturn:
        """What argparse calls for errors that are not about a single option."""
        raise UsageError(f"{message}; see `{self.prog} --help`")

    def _add_nested(self, arguments: Sequence[str]) -> None:
        """Adds ``--tasks.weights.bbox`` and the like: names below options that are mappings."""
        for name in dict.fromkeys(argument.partition("=")[0] for argument in arguments):
            for option, dest in list(self._mappings.items()):
                below = name.removeprefix(f"{option}.")
                if below not in ("", name) and name not in self._dests:
                    action = super().add_argument(
                        name, dest=f"{dest}.{below}", type=load_value, help=argparse.SUPPRESS
                    )
                    self._know(action, Any)

    def _check(self, dest: str, value: Any, given: Container[str]) -> None:
        """Raises :class:`UsageError` for an option out of range, or without effect."""
        own = self._own[dest]
        check_range(own.name, value, **own.limits)
        if own.needs and self._dests[own.needs] not in given:
            raise UsageError(f"{own.name}: has no effect without {own.needs}")
        for other in own.unless:
            if self._dests[other] in given:
                raise UsageError(f"{own.name}: has no effect with {other}")

    def _refuse(self, argument: str) -> NoReturn:
        """Raises :class:`UsageError` for an argument that no option takes."""
        hint = f"`{self.prog} --help` lists all options"
        if not argument.startswith("-"):
            raise UsageError(f"unexpected argument {argument!r}; {hint}")
        known = (option.removeprefix("--") for option in self._dests)
        unknown_option(argument.lstrip("-").partition("=")[0], known, hint)

    def _usage(self) -> str:
        """What must be given. The many options that may be given have their own lines below."""
        parts = [self.prog]
        for action in self._actions:
            if action.required:
                value = str(action.metavar or action.dest.upper())
                parts.append(" ".join([*action.option_strings[:1], value]))
                parts += ["…"] if action.nargs == "+" else []
        return _escaped(" ".join([*parts, "[options]"]))


def verb_parser(verb: str, function: Callable[..., int], example: str) -> Parser:
    """The parser of one verb, whose function's docstring says what it does."""
    text = (function.__doc__ or "").strip()
    return Parser(verb, f"{text[0].upper()}{text[1:]}. Example: {example}")


def _typed(name: str, hint: Any, key: str | None = None) -> dict[str, Any]:
    """What argparse is told of an option's type: how text is read, and what help shows for it."""
    settings: dict[str, Any] = {"type": lambda text: convert(key or name, hint, text)}
    if name.startswith("-"):
        last = name.lstrip("-").rpartition(".")[2]
        settings["metavar"] = last.replace("-", "_").upper()
    return settings


def _shown(default: Any) -> str:
    """An option's default, as its help says it."""
    if default in (None, (), [], {}):
        return ""
    if isinstance(default, tuple):
        default = ",".join(map(str, default))
    return f" (default: {str(default).lower() if isinstance(default, bool) else default})"


def _without_default(text: str) -> str:
    """Help without its last clause where that is what happens by default."""
    before, _, last = text.rpartition("; ")
    return before if before and "by default" in last else text


def _escaped(text: str) -> str:
    """Text in which argparse replaces nothing."""
    return text.replace("%", "%%")
