"""The same from Python as from the command line."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxseg.assembly import CHOICES
from auxseg.config import Config
from auxseg.config.parsing import Layer, concerning, keywords, overlay, to_config
from auxseg.config.presets import preset as find_preset
from auxseg.errors import UsageError
from auxseg.predict import Predictor, load
from auxseg.runs.directory import RunDirectory
from auxseg.training.fit import Result
from auxseg.training.fit import train as fit

__all__ = ["Predictor", "Result", "configure", "layered", "load", "train"]


def configure(preset: str, **settings: Any) -> Config:
    """A preset's configuration with changes.

    Args:
        settings: the short options of the command line with underscores (``image_size=96``),
            options by their last name where only one has it (``lr=3e-4``), or dotted keys
            (``**{"tasks.options.bbox.scale": 10}``). Lists may be lists, tuples or ``"A,B"``.

    Raises:
        UsageError: an unknown preset, option or value; says what is allowed.
    """
    return layered(preset, [keywords(settings)])


def train(
    preset: str, *, out: str | Path | None = None, resume: bool = False, **settings: Any
) -> Result:
    """Trains a preset.

    ``auxseg.train("mtan-3task", data="shapes", weights="none", epochs=3)`` gives a result with
    ``run_dir`` and ``metrics`` (of the validation images).

    Args:
        out: the run directory; by default ``runs/PRESET``, numbered if that is taken.
        resume: continue the run in ``out``. Options that are not given are the run's own; given
            ones must agree with them, except those of the machine and a larger number of epochs.
        settings: see :func:`configure`.
    """
    if resume and out is None:
        raise UsageError("out: name the run directory to resume")
    if out is None:
        if not configure(preset, **settings).training.alone:
            # Every process would look for a free name of its own.
            raise UsageError("out: name a run directory where several processes train together")
        out = _free_directory(preset)
    config = layered(preset, [keywords(settings)], resumed=out if resume else None)
    return fit(config, out, resume=resume, extend=True)


def layered(preset: str, given: Sequence[Layer], resumed: str | Path | None = None) -> Config:
    """A preset's configuration with layers of options (:mod:`auxseg.config.parsing`) over it.

    Args:
        given: the layers, the last one on top.
        resumed: a run directory, whose own options lie below the given ones.
    """
    own = [] if resumed is None else [RunDirectory(resumed).read_options(preset)]
    above = [*own, *given]
    below = concerning(find_preset(preset).defaults(), overlay(*above))
    return to_config(preset, [below, *above], CHOICES)


def _free_directory(preset: str) -> Path:
    path, number = Path("runs") / preset, 2
    while path.exists():
        path, number = Path("runs") / f"{preset}-{number}", number + 1
    return path
