"""The same from Python as from the command line."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxseg.assembly import CHOICES
from auxseg.config import Config
from auxseg.config.parsing import Layer, concerning, keywords, overlay, to_config
from auxseg.config.presets import RECOMMENDED
from auxseg.config.presets import preset as find_preset
from auxseg.data.checks import check_root, detect
from auxseg.data.kept import is_split_file, read_split
from auxseg.errors import UsageError
from auxseg.predict import Predictor, load
from auxseg.runs.directory import RunDirectory
from auxseg.training.fit import Result
from auxseg.training.fit import train as run_training

if TYPE_CHECKING:
    from auxseg.experiments.fit.fit import Fitted

__all__ = ["Predictor", "Result", "configure", "fit", "layered", "load", "train"]


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
    return run_training(config, out, resume=resume, extend=True)


def fit(root: str | Path, *, out: str | Path, minutes: float = 10.0, **settings: Any) -> Fitted:
    """From a folder of photos and masks to a network that can be shipped, in the time given.

    ``auxseg.fit("photos", out="runs/photos", minutes=10)`` checks the folder, chooses size and
    length, trains, measures on photos that it held back, exports ONNX and writes the report.

    Args:
        settings: see :func:`configure`; what is given is not chosen.

    Raises:
        UsageError, DataError, TrainingError: one line each.
    """
    return fitted(root, out, minutes, keywords(settings))


def fitted(
    root: str | Path, out: str | Path, minutes: float, given: Layer, began: float | None = None
) -> Fitted:
    """As :func:`fit`, with a layer of options.

    Args:
        began: when the command began (:func:`time.perf_counter`).
    """
    # Reports, figures and exporting, which nothing else here needs.
    from auxseg.experiments.fit.fit import Request
    from auxseg.experiments.fit.fit import fit as run_fit

    began = time.perf_counter() if began is None else began
    given = {key: value for key, value in given.items() if value is not None}
    folder = Path(root).expanduser()
    if Path(str(given.pop("data.root", folder))).expanduser().resolve() != folder.resolve():
        raise UsageError(f"data.root: is another folder than {root}")
    name = str(given.get("data.name") or detect(folder))
    options = dict(overlay({"data.options": {}}, given)["data.options"])
    if "data.ignore_index" in given:
        options["ignore_index"] = given["data.ignore_index"]
    split = given.get("data.split")
    kept = read_split(Path(split).expanduser()) if split and is_split_file(split) else None
    checked = time.perf_counter()
    report = check_root(
        folder,
        name,
        split=None if kept else split,
        split_seed=given.get("data.split_seed", 0),
        kept=kept,
        details=True,
        **options,
    )
    report.stop_on_problems(folder)
    read = (time.perf_counter() - checked) / max(len(report.findings), 1)
    at = {"data.name": name, "data.root": str(folder)}

    def make(chosen: Layer) -> Config:
        return layered(RECOMMENDED, [{**at, **chosen, **given}])

    return run_fit(Request(report, make, given, minutes, began, read), Path(out))


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
