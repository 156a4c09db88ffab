"""Starting weights: published ones, a file's, another run's."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

import numpy as np
from torch import Tensor

from auxseg.assembly.data import Data
from auxseg.assembly.tasks import make_views
from auxseg.config import Config
from auxseg.data.download import download
from auxseg.data.keys import Key
from auxseg.data.stored import cache_root
from auxseg.errors import DataError, UsageError
from auxseg.models import ENCODERS, MultiTaskModel
from auxseg.models.encoders import Encoder
from auxseg.models.weights import read_state
from auxseg.tasks import Task

#: Values of ``--weights`` that are no file: the encoder's published weights, and none.
IMAGENET, NONE = "imagenet", "none"

#: Training images on which fresh batch norms are calibrated to loaded weights.
CALIBRATION_IMAGES = 32
CALIBRATION_BATCH = 8


def check_weights(config: Config) -> None:
    """Tells early what would fail late. An encoder that has one width only says so itself.

    Raises:
        UsageError: ImageNet weights at another width than 1.
        DataError: no such file or folder.
    """
    scaled = config.model.width != 1.0 and _encoder_type(config).SCALES
    if scaled and _wants_published(config):
        raise UsageError(
            f"model.width: ImageNet weights fit width 1 only, not {config.model.width:g}; "
            "use --weights none, or a file of weights of this width"
        )
    path = _given(config)
    if path is not None and not path.exists():
        raise DataError(
            f"{path}: no such weights (--weights takes imagenet, none, a file or a run)"
        )


def _given(config: Config) -> Path | None:
    """The file or run that the user named."""
    if not config.model.pretrained or config.model.weights in (IMAGENET, NONE):
        return None
    return Path(config.model.weights).expanduser()


def starting_weights(config: Config) -> Path | None:
    """Where starting weights are, downloaded if need be.

    Returns:
        a file, or a run directory; None to train from scratch, and where the encoder gets its
        published weights by itself (:func:`load_published`).
    """
    check_weights(config)
    if not _wants_published(config):
        return _given(config)
    published = _encoder_type(config).PUBLISHED
    if published is None:
        return None
    path = cache_root() / "weights" / Path(published.url).name
    try:
        return download(published.url, path, known_hash=f"sha256:{published.sha256}")
    except DataError as error:
        raise DataError(f"{error}; --weights takes a file of your own, or none") from None


def _wants_published(config: Config) -> bool:
    return config.model.pretrained and config.model.weights == IMAGENET


def _encoder_type(config: Config) -> type[Encoder]:
    return ENCODERS[config.model.encoder.partition(":")[0]]


def weights_licence(model: MultiTaskModel, config: Config) -> str | None:
    """The licence of the published weights that a run starts from; None where it is not known."""
    return model.encoders[0].licence if _wants_published(config) else None


def load_published(model: MultiTaskModel, config: Config) -> None:
    """Loads the ImageNet weights of an encoder that gets them by itself, where they are wanted."""
    for encoder in model.encoders if _wants_published(config) else ():
        encoder.load_published(config.model.grey)


def load_starting_weights(
    model: MultiTaskModel,
    path: Path,
    config: Config,
    data: Data | None,
    tasks: Mapping[str, Task],
) -> None:
    """Loads a file into the encoders; of plain VGG-16 the batch norms are calibrated on images,
    where there are any."""
    state = read_state(path)
    calibrate = [encoder.load(state, path, config.model.grey) for encoder in model.encoders]
    if data is None or not all(calibrate) or not config.model.calibrate:
        return
    batches = list(_calibration_batches(model, config, data, tasks))
    for encoder in model.encoders:
        encoder.calibrate(batches)


def _calibration_batches(
    model: MultiTaskModel, config: Config, data: Data, tasks: Mapping[str, Task]
) -> list[Tensor]:
    """Prepared training images as the primary task sees them."""
    # Spread over the whole training set, which may be sorted by class.
    positions = np.linspace(0, len(data.split.train) - 1, CALIBRATION_IMAGES).astype(int)
    numbers = [data.split.train[position] for position in np.unique(positions)]
    views = make_views(config, tasks)
    primary = next(iter(views.routes))
    batches = []
    for start in range(0, len(numbers), CALIBRATION_BATCH):
        keys = [Key(0, index) for index in numbers[start : start + CALIBRATION_BATCH]]
        images = data.reader.__getitems__(keys)
        batches.append(model.prepare(views.batch(images, config.training.seed).views[primary]))
    return batches


def load_network(model: MultiTaskModel, state: Mapping[str, Tensor], source: Path) -> str | None:
    """Starts from another run's network: takes every tensor whose name and shape are the same.

    Args:
        state: name → tensor, as the run keeps them.
        source: the run, for messages.

    Returns:
        a line that names what did not fit, and so starts as drawn; None where everything fits.

    Raises:
        DataError: nothing of the encoder fits.
    """
    own = model.state_dict()
    fitting = {
        name: value
        for name, value in state.items()
        if name in own and own[name].shape == value.shape
    }
    if not any(name.startswith("encoder.") for name in fitting):
        raise DataError(
            f"{source}: nothing of its encoder fits this network; --weights RUN takes a run of the "
            "same encoder and width"
        )
    model.load_state_dict(fitting, strict=False)
    missing = _parts(own.keys() - fitting.keys())
    if not missing:
        return None
    return f"{source}: has nothing that fits {', '.join(missing)}; these start as drawn"


def _parts(names: Collection[str]) -> list[str]:
    """``decoders.edges.blocks.0.0.weight`` … → ``decoders.edges``, each once, in order."""
    return sorted({".".join(name.split(".")[:2]) for name in names})
