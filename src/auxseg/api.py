"""The same from Python as from the command line."""

from __future__ import annotations

import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxseg import assembly
from auxseg.assembly import CHOICES
from auxseg.config import Config
from auxseg.config.parsing import Layer, concerning, keywords, overlay, to_config
from auxseg.config.presets import RECOMMENDED
from auxseg.config.presets import preset as find_preset
from auxseg.data.checks import Report, check, check_root, detect
from auxseg.data.datasets.folder.dataset import GROUPED, Folder
from auxseg.data.torch_data import TorchData
from auxseg.errors import DataError, UsageError
from auxseg.models import MultiTaskModel
from auxseg.predict import Predictor, load
from auxseg.runs.directory import RunDirectory
from auxseg.runs.starting import load_starting_weights
from auxseg.training.fit import Result
from auxseg.training.fit import train as run_training
from auxseg.types import IGNORE_INDEX, ClassNames

if TYPE_CHECKING:
    from PIL import Image

    from auxseg.experiments.fit.fit import Fitted

__all__ = [
    "Predictor",
    "TorchData",
    "Trained",
    "configure",
    "fit",
    "layered",
    "load",
    "network",
    "train",
]


@dataclass(frozen=True)
class Trained(Result):
    """What training leaves, with a picture for notebooks."""

    def show(self) -> Image.Image:
        """Photo, truth and prediction of validation photos (:mod:`auxseg.report.show`)."""
        from auxseg.report.show import picture

        return picture(self.run_dir, opened=self.data)


def configure(preset: str, **settings: Any) -> Config:
    """A preset's configuration with changes.

    Args:
        settings: the short options of the command line with underscores (``image_size=96``),
            options by their last name where only one has it (``lr=3e-4``), or dotted keys
            (``**{"tasks.options.bbox.scale": 10}``). Lists may be lists, tuples or ``"A,B"``.
            ``data`` also takes datasets of PyTorch, :class:`TorchData`.

    Raises:
        UsageError: an unknown preset, option or value; says what is allowed.
    """
    return layered(preset, [_layer(settings)])


def network(
    preset: str,
    *,
    mask_classes: int | Sequence[str],
    label_classes: int | Sequence[str] = (),
    **settings: Any,
) -> MultiTaskModel:
    """A preset's network for your own training loop: an ordinary ``torch.nn.Module``.

    ``net(images)`` takes float32 (N, 3, H, W) in [0, 1], of any height and width, and gives task →
    output, before any softmax: (N, K, H, W) of dense tasks, (N, C) of others. Normalisation and
    padding are inside. Presets that colorize take lightness, (N, 1, H, W).

    It has its starting weights: ``weights="none"`` draws them, ``weights=RUN`` takes those of a
    trained run as far as they fit; by default the encoder has ImageNet's.

    Fresh batch norms of plain VGG-16 are not calibrated, as there are no images here; they settle
    in the first steps.

    Args:
        mask_classes: names of the masks' classes, or how many there are.
        label_classes: of the images' classes, which the task classification needs.
        settings: see :func:`configure`; of the training options ``seed`` draws the weights, and
            the others have no effect.

    Raises:
        UsageError, DataError: an unknown preset or option, or no such weights.
    """
    config = configure(preset, **settings)
    classes = ClassNames(
        _names("mask_classes", mask_classes), _names("label_classes", label_classes)
    )
    assembly.check(config, classes)
    tasks = assembly.make_tasks(config, classes)
    made = assembly.make_model(config, tasks)
    for message in load_starting_weights(made, config, tasks, data=None):
        print(message, file=sys.stderr)
    return made


def _names(key: str, classes: int | Sequence[str]) -> tuple[str, ...]:
    if isinstance(classes, str):
        raise UsageError(f"{key}: is a text, {classes!r}; give a list of names, or how many")
    if isinstance(classes, int):
        return tuple(map(str, range(classes)))
    return tuple(classes)


def train(
    preset: str, *, out: str | Path | None = None, resume: bool = False, **settings: Any
) -> Trained:
    """Trains a preset.

    ``auxseg.train("mtan-3task", data="shapes", weights="none", epochs=3)`` gives a result with
    ``run_dir``, ``metrics`` (of the validation images) and, for notebooks, ``show()``.

    Args:
        out: the run directory; by default ``runs/PRESET``, numbered if that is taken.
        resume: continue the run in ``out``. Options that are not given are the run's own; given
            ones must agree with them, except those of the machine and a larger number of epochs.
        settings: see :func:`configure`.
    """
    if resume and out is None:
        raise UsageError("out: name the run directory to resume")
    layer = _layer(settings)
    if resume and out is not None:
        _check_same(settings.get("data"), layer, out)
    if out is None:
        if not layered(preset, [layer]).training.alone:
            # Every process would look for a free name of its own.
            raise UsageError("out: name a run directory where several processes train together")
        out = _free_directory(preset)
    config = layered(preset, [layer], resumed=out if resume else None)
    return Trained(**vars(run_training(config, out, resume=resume, extend=True)))


def fit(
    root: str | Path | TorchData, *, out: str | Path, minutes: float = 10.0, **settings: Any
) -> Fitted:
    """From a folder of photos and masks to a network that can be shipped, in the time given.

    ``auxseg.fit("photos", out="runs/photos", minutes=10)`` checks the folder, chooses size and
    length, trains, measures on photos that it held back, exports ONNX and writes the report.

    Args:
        root: the folder, or datasets of PyTorch.
        settings: see :func:`configure`; what is given is not chosen.

    Raises:
        UsageError, DataError, TrainingError: one line each.
    """
    began = time.perf_counter()
    layer = keywords(settings)
    if isinstance(root, TorchData):
        layer = _of_torch(layer, data := root)
        _check_same(data, layer, out)
        root = str(layer["data.root"])
    return fitted(root, out, minutes, layer, began)


def _layer(settings: Mapping[str, Any]) -> Layer:
    """Keyword arguments → options; datasets of PyTorch become a folder."""
    data = settings.get("data")
    if not isinstance(data, TorchData):
        return keywords(settings)
    layer = keywords({key: value for key, value in settings.items() if key != "data"})
    return _of_torch(layer, data)


def _of_torch(layer: Layer, data: TorchData) -> dict[str, Any]:
    """Options, with the folder that holds these data."""
    for key in ("data.root", "data.ignore_index", "data.name"):
        if key in layer:
            raise UsageError(f"{key}: has no effect on datasets of PyTorch")
    place = layer.get("data.cache_dir")
    root = data.folder(None if place is None else Path(str(place)).expanduser())
    own = {"data.name": Folder.NAME, "data.root": str(root), "data.ignore_index": IGNORE_INDEX}
    return {**layer, **own}


def _check_same(data: Any, layer: Layer, out: str | Path) -> None:
    """Raises UsageError where a run that goes on is given other datasets than before."""
    run = RunDirectory(out)
    if not isinstance(data, TorchData) or not run.config_file.is_file():
        return
    before = Path(str(run.read_config()[0].data.root)).name
    if before != Path(str(layer["data.root"])).name:
        raise UsageError(
            f"data: is not what {out} was started with: an image, a label or a part differs (is "
            "the division into train and val drawn anew?); choose another out"
        )


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
    checked = time.perf_counter()
    report = check_root(
        folder,
        name,
        split=split,
        split_seed=given.get("data.split_seed", 0),
        details=True,
        **options,
    )
    report.stop_on_problems(folder)
    read = (time.perf_counter() - checked) / max(len(report.findings), 1)
    apart: dict[str, Any] = {}
    if report.leaks and split is None:
        report, apart = _kept_together(report, given, options)
    at = {"data.name": name, "data.root": str(folder)}

    def make(chosen: Layer) -> Config:
        return layered(RECOMMENDED, [{**at, **apart, **chosen, **given}])

    return run_fit(Request(report, make, given, minutes, began, read), Path(out))


def _kept_together(
    report: Report, given: Layer, options: Mapping[str, Any]
) -> tuple[Report, dict[str, Any]]:
    """The report of a split that holds no photo back that looks like a training photo, and its
    options; the same report where the user's table says who is held back, or none can be."""
    dataset = report.dataset
    if not isinstance(dataset, Folder) or not dataset.drawn:
        return report, {}
    seed = given.get("data.split_seed", 0)
    try:
        again = check(Folder(dataset.root, GROUPED, seed, **options), findings=report.findings)
    except DataError:
        print(
            "warning: nearly all photos look alike, so that validation photos look like training "
            "photos: the IoU will look better than it is",
            file=sys.stderr,
        )
        return report, {}
    print("photos that look alike are kept in one part (--split grouped)", flush=True)
    return again, {"data.split": GROUPED}


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
