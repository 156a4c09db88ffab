"""Any configuration is the same after it was written and read, by every way there is."""

from __future__ import annotations

import math
import tempfile
from pathlib import Path
from types import NoneType
from typing import Any, get_args, get_origin

from hypothesis import assume, given, settings
from hypothesis import strategies as st

from auxseg.assembly import CHOICES
from auxseg.config import Config, dotted, leaves, plain
from auxseg.config.command_line import Parser
from auxseg.config.keys import hints
from auxseg.config.parsing import read_options, to_config
from auxseg.config.presets import PRESETS
from auxseg.config.values import dump_yaml
from auxseg.errors import UsageError
from auxseg.runs.directory import RunDirectory
from auxseg.types import ClassNames

#: Text that YAML, a shell or a file system could take for something else.
TEXT = st.sampled_from(
    ["photos", "my photos", "früchte", "null", "yes", "1e-3", "0x1", "a: b", "#1", "-", "~", "2026"]
)


def values(key: str, hint: Any, metadata: Any) -> st.SearchStrategy[Any]:
    """Values that an option may have, as far as it alone decides."""
    if key in CHOICES and get_origin(hint) is not dict:
        allowed = st.sampled_from(list(CHOICES[key]))
        return st.lists(allowed, min_size=1, unique=True).map(tuple) if is_list(hint) else allowed
    members = [item for item in get_args(hint) if item is not NoneType] or [hint]
    low = metadata["minimum"] if metadata["minimum"] is not None else metadata["above"]
    low, high = low if low is not None else -9, metadata["maximum"] or 1e6
    numbers = st.floats(low, high, exclude_min=metadata["above"] is not None)
    if get_origin(hint) is tuple and members == [float]:
        return st.tuples(numbers, numbers).map(lambda pair: tuple(sorted(pair)))
    kinds = {
        bool: st.booleans(),
        int: st.integers(math.ceil(low), int(high)),
        float: numbers,
        str: TEXT,
    }
    return st.one_of([kinds[member] for member in members if member in kinds] or [st.none()])


#: Names that could be taken for something else, too.
CLASSES = ClassNames(("1e3", "no", "null"), ("007", "3.0"))


def is_list(hint: Any) -> bool:
    return get_origin(hint) is tuple and Ellipsis in get_args(hint)


#: The options that take plain values; the first values of a preset are the others'.
OPTIONS = {
    key: values(key, hints()[key], item.metadata)
    for key, item in leaves()
    if get_origin(hints()[key]) is not dict
    and key not in ("tasks.names", "model.columns", "training.devices", "training.checkpoint_every")
}


@st.composite
def configurations(draw: st.DrawFn) -> Config:
    preset = draw(st.sampled_from(list(PRESETS)))
    keys = draw(st.lists(st.sampled_from(list(OPTIONS)), max_size=4, unique=True))
    layer = {key: draw(OPTIONS[key]) for key in keys}
    try:
        return to_config(preset, [PRESETS[preset].defaults(), layer], CHOICES)
    except UsageError:  # options that exclude each other, or have no effect without another
        assume(False)
        raise


def test_every_option_is_drawn() -> None:
    assert len(OPTIONS) > 50


@settings(max_examples=150, deadline=None)
@given(config=configurations())
def test_a_run_s_file(config: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = RunDirectory(Path(folder))
        run.write_config(config, CLASSES, "1", {})
        assert run.read_config() == (config, CLASSES)


@settings(max_examples=150, deadline=None)
@given(config=configurations())
def test_a_file_of_options(config: Config) -> None:
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder, "options.yaml")
        groups = {name: value for name, value in plain(config).items() if name != "preset"}
        # None stands for what is not given.
        given = {
            name: {key: value for key, value in options.items() if value not in (None, [])}
            for name, options in groups.items()
        }
        file.write_text(dump_yaml(given), encoding="utf-8")
        layer = read_options(file)
    assert to_config(config.preset, [layer], CHOICES) == config


@settings(max_examples=150, deadline=None)
@given(config=configurations())
def test_a_command_line(config: Config) -> None:
    parser = Parser("train")
    parser.add_options(CHOICES)
    words = [
        f"--{key}={','.join(map(str, value)) if isinstance(value, tuple) else value}"
        for key in OPTIONS
        if (value := dotted(config)[key]) is not None
    ]
    layer = parser.layer(parser.parse(words))
    above = [PRESETS[config.preset].defaults(), layer]
    assert to_config(config.preset, above, CHOICES) == config
