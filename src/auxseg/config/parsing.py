"""Options from command lines, YAML files and Python keywords → :class:`~auxseg.config.Config`.

Whatever the source, its options become a layer: dotted key → value as its user wrote it. Layers
are laid over one another, then converted and checked once. So the same option has the same name,
the same type and the same errors everywhere.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NoReturn

import yaml

from auxseg.config.choices import check_choices
from auxseg.config.compat import upgraded
from auxseg.config.effects import check_effects
from auxseg.config.keys import default_of, flags, group_of, hints, leaves
from auxseg.config.schema import GROUPS, NO_WEIGHTS, Config
from auxseg.config.values import convert, load_yaml
from auxseg.errors import UsageError

#: What a run's ``config.yaml`` holds beside its options.
RUN_KEYS = ("version", "preset", "classes", "images", "weights_licence")

#: Options that have a name per task below them.
BY_TASK = {"tasks.weights", "tasks.options"}

#: Options of a preset that are about its pre-trained weights.
OF_WEIGHTS = {"training.encoder_lr", "model.freeze_norms"}

#: Dotted key → value. A key may also lie below an option that is a mapping:
#: ``tasks.weights.bbox``.
Layer = Mapping[str, Any]
Choices = Mapping[str, Iterable[str]]


def to_config(
    preset: str, layers: Iterable[Layer], choices: Choices, *, effects: bool = True
) -> Config:
    """Makes a configuration from layers of options, the last one on top.

    Args:
        choices: dotted key → allowed values (:func:`auxseg.config.choices.check_choices`).
        effects: whether to refuse options that have no effect.

    Raises:
        UsageError: an unknown option, or a value of a wrong type, out of range or not allowed.
    """
    types = hints()
    groups: dict[str, dict[str, Any]] = {group: {} for group in GROUPS}
    empty = {key for key, item in leaves() if default_of(item) == ()}
    for key, value in overlay(*layers).items():
        if key in empty and value in ((), []):
            continue  # the default, which a run's file holds too; no list may be given empty
        groups[group_of(key)][key.partition(".")[2]] = convert(key, types[key], value)
    config = Config(preset, **{group: cls(**groups[group]) for group, cls in GROUPS.items()})
    check_choices(config, choices)
    if effects:
        check_effects(config)
    return config


def overlay(*layers: Layer) -> dict[str, Any]:
    """Layers of options as one; the last one wins key by key, inside mappings as well.

    An empty mapping removes what lies below it.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        _drop_replaced(merged, layer)
        for key, value in layer.items():
            option = _option_of(key)
            if option is None:
                unknown_option(key, hints())
            if not is_mapping(hints()[option]):
                merged[key] = value
                continue
            if key != option:
                value = with_value({}, key.removeprefix(f"{option}."), value)
            value = convert(option, hints()[option], value)
            merged[option] = _united(merged.get(option, {}), value) if value else {}
    return merged


def concerning(layer: Layer, above: Layer) -> dict[str, Any]:
    """A preset's layer, without what the layer above it makes moot.

    These are its options of tasks that are left out, and of pre-trained weights where there are
    none.
    """
    kept = dict(layer)
    if "tasks.names" in above:
        names = convert("tasks.names", hints()["tasks.names"], above["tasks.names"])
        for key in BY_TASK & layer.keys():
            kept[key] = {task: value for task, value in layer[key].items() if task in names}
    if _from_scratch(above):
        kept = {key: value for key, value in kept.items() if key not in OF_WEIGHTS}
    return kept


def _from_scratch(layer: Layer) -> bool:
    """Whether a layer says that no weights are loaded."""
    if layer.get("model.weights") == NO_WEIGHTS:
        return True
    pretrained = layer.get("model.pretrained", True)
    return not convert("model.pretrained", hints()["model.pretrained"], pretrained)


def _drop_replaced(merged: dict[str, Any], layer: Layer) -> None:
    """Removes what a layer gives anew in another form, such as epochs where it gives steps."""
    given = {key for key, value in layer.items() if value is not None}
    for key, item in leaves():
        for other in item.metadata["replaces"] if key in given else ():
            if other in given:
                first, second = sorted((key, other))
                raise UsageError(f"{first} and {second} exclude each other; give one")
            merged.pop(other, None)


def _united(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """Two mappings as one; the second one wins, inside mappings as well."""
    united = dict(below)
    for name, value in above.items():
        under = united.get(name)
        if isinstance(under, Mapping) and isinstance(value, Mapping):
            value = _united(under, value)
        united[name] = value
    return united


def _option_of(key: str) -> str | None:
    """The option that a key names or lies below."""
    known = hints()
    if key in known:
        return key
    above = ".".join(key.split(".")[:2])
    return above if above in known and is_mapping(known[above]) else None


def is_mapping(hint: Any) -> bool:
    """Whether an option of this type has names below it."""
    return getattr(hint, "__origin__", None) is dict


def with_value(values: Mapping[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of a mapping with a value at a dotted path below it."""
    name, _, rest = path.partition(".")
    if rest:
        below = values.get(name)
        value = with_value(below if isinstance(below, Mapping) else {}, rest, value)
    return {**values, name: value}


# -- where layers come from ---------------------------------------------------------------------


def keywords(settings: Mapping[str, Any]) -> dict[str, Any]:
    """The layer of Python keywords.

    An option goes by its dotted key, by its flag with underscores (``image_size``), and by its own
    last name (``lr``) where no other option shares that.

    Raises:
        UsageError: a keyword that names no option, or several.
    """
    return {_key_of(name): value for name, value in settings.items()}


def _key_of(name: str) -> str:
    short = flags()
    if name in short:
        return short[name]
    if _option_of(name) is not None:
        return name
    meant = _by_last_name(name)
    if len(meant) > 1:
        raise UsageError(f"option {name!r} could be {' or '.join(meant)}; give the dotted key")
    if not meant:
        unknown_option(name, [*short, *hints()])
    return meant[0]


def _by_last_name(name: str) -> list[str]:
    return [key for key in hints() if key.partition(".")[2] == name]


def flat_options(values: Any, source: str = "options") -> dict[str, Any]:
    """The layer of nested plain values, as in a YAML file.

    Raises:
        UsageError: options that do not lie in their groups, or that nobody knows.
    """
    if not isinstance(values, Mapping):
        raise UsageError(f"{source}: expected groups of options, such as training: {{epochs: 30}}")
    layer: dict[str, Any] = {}
    for group, options in values.items():
        if options is None and group in GROUPS:
            continue  # all its options are commented out
        if not isinstance(options, Mapping):
            if group not in GROUPS:
                unknown_option(str(group), hints())
            example = next(key for key in hints() if group_of(key) == group)
            raise UsageError(
                f"{source}: {group} is {options!r}; expected options below it, such as {example}"
            )
        layer |= {f"{group}.{name}": value for name, value in options.items()}
    for key in layer:
        if key not in hints():
            unknown_option(key, hints())
    return layer


def read_options(path: Path, preset: str | None = None) -> dict[str, Any]:
    """The layer of a YAML file: options, nested, or a run's ``config.yaml``.

    Args:
        preset: the only system whose run's file may be given.

    Raises:
        UsageError: names the file.
    """
    values = read_yaml(path)
    if isinstance(values, Mapping) and "preset" in values:
        name, layer = run_options(values)
        if name != preset:
            raise UsageError(f"{path}: is the configuration of {name}; train that preset with it")
        return layer
    try:
        layer = flat_options({} if values is None else values)
        return {key: convert(key, hints()[key], value) for key, value in layer.items()}
    except UsageError as error:
        raise UsageError(f"{path}: {str(error).removeprefix('options: ')}") from None


def named_preset(path: Path) -> str | None:
    """The preset that a YAML file names, as a run's ``config.yaml`` does; None without one."""
    values = read_yaml(path)
    return str(values["preset"]) if isinstance(values, Mapping) and "preset" in values else None


def run_options(content: Mapping[str, Any]) -> tuple[str, dict[str, Any]]:
    """The preset and the layer of a run's ``config.yaml``, whichever version wrote it."""
    groups = {name: values for name, values in content.items() if name not in RUN_KEYS}
    return content["preset"], upgraded(flat_options(groups))


def read_yaml(path: Path) -> Any:
    """Reads a YAML file; raises :class:`UsageError` with file and line where it is not YAML."""
    try:
        return load_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "not UTF-8 text"
        raise UsageError(f"{path}: cannot be read ({reason})") from None
    except yaml.YAMLError as error:
        raise UsageError(f"{path}: not valid YAML ({' '.join(str(error).split())})") from None


# -- names that nobody knows --------------------------------------------------------------------


def unknown_option(name: str, known: Iterable[str], otherwise: str = "") -> NoReturn:
    """Raises :class:`UsageError` with the known options that come closest to a name.

    Args:
        otherwise: what to say where none comes close; by default the short options.
    """
    names = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    # `lr` is not close to `training.lr` as letters go.
    close = [one for one in names if one.rpartition(".")[2] == name] or close
    if close:
        otherwise = f"did you mean {' or '.join(close)}?"
    hint = otherwise or f"short options are {', '.join(flags())}"
    raise UsageError(f"unknown option {name!r}; {hint}")
