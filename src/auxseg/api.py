"""The same from Python as from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auxseg.assembly import CHOICES
from auxseg.config import Config, parsing
from auxseg.config.presets import preset as find_preset
from auxseg.errors import UsageError
from auxseg.predict import Predictor, load
from auxseg.training.fit import Result
from auxseg.training.fit import train as fit

__all__ = ["Predictor", "Result", "configure", "load", "train"]


def configure(preset: str, **settings: Any) -> Config:
    """A preset's configuration with changes.

    Args:
        settings: the short options of the command line with underscores (``image_size=96``), or
            dotted keys (``**{"training.lr": 3e-4}``).

    Raises:
        UsageError: an unknown preset, option or value; says what is allowed.
    """
    defaults = parsing.nested(find_preset(preset).defaults())
    return parsing.from_plain(preset, parsing.merge(defaults, parsing.nested(settings)), CHOICES)


def train(
    preset: str, *, out: str | Path | None = None, resume: bool = False, **settings: Any
) -> Result:
    """Trains a preset.

    ``auxseg.train("mtan-3task", data="shapes", weights="none", epochs=3)`` gives a result with
    ``run_dir`` and ``metrics`` (of the validation images).

    Args:
        out: the run directory; by default ``runs/PRESET``, numbered if that is taken.
        resume: go on from the last checkpoint in ``out``.
        settings: see :func:`configure`.
    """
    config = configure(preset, **settings)
    if out is None and config.training.devices != 1:
        # Every process would look for a free name of its own.
        raise UsageError("out: name a run directory where devices is not 1")
    return fit(config, out if out is not None else _free_directory(preset), resume=resume)


def _free_directory(preset: str) -> Path:
    path, number = Path("runs") / preset, 2
    while path.exists():
        path, number = Path("runs") / f"{preset}-{number}", number + 1
    return path
