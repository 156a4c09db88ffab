"""Configuration → objects: data set, tasks, model, balancer, loaders."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader

from auxseg.balancing import BALANCERS, Balancer
from auxseg.config import AugmentationConfig, Config, DataConfig
from auxseg.construct import construct
from auxseg.data import DATASETS, Dataset, Split
from auxseg.data.augmentation import Augment
from auxseg.data.cache import DecodedArrays, cache_root, decoded
from auxseg.data.download import download
from auxseg.data.loaders import EpochSampler, Key, Reader, make_loader
from auxseg.data.splits import subset
from auxseg.errors import DataError, UsageError
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.models.heads import make_head
from auxseg.models.initialise import initialise
from auxseg.models.weights import calibrate, load_encoder
from auxseg.tasks import TASKS, Task
from auxseg.types import Batch, ClassNames, LabelledImages

#: Allowed values of the options that name something, for command lines and checks.
CHOICES: dict[str, tuple[str, ...]] = {
    "data.name": tuple(DATASETS),
    "model.architecture": tuple(ARCHITECTURES),
    "tasks.names": tuple(TASKS),
    "training.balancer": tuple(BALANCERS),
}

VGG16_URL = "https://download.pytorch.org/models/vgg16-397923af.pth"
VGG16_SHA256 = "397923af8e79cdbb6a7127f12361acd7a2f83e06b05044ddf496e83de57a5bf0"

#: Training images on which fresh batch norms are calibrated to loaded weights.
CALIBRATION_IMAGES = 32
CALIBRATION_BATCH = 8


@dataclass(frozen=True)
class Data:
    """A data set, decoded at one size, with its split.

    Attributes:
        split: readable images only; ``train`` after ``--limit``.
        masks: the training images whose masks may be seen (``--labels``); None for all.
        messages: what a user should read once: notes and images left out.
    """

    dataset: Dataset
    arrays: DecodedArrays
    split: Split
    masks: tuple[int, ...] | None
    messages: tuple[str, ...]


def open_dataset(config: DataConfig) -> Dataset:
    """The data set that the configuration names, not yet decoded."""
    cls = DATASETS[config.name]
    options = dict(config.options)
    if config.ignore_index is not None:
        if "ignore_index" not in inspect.signature(cls).parameters:
            raise UsageError(f"--ignore-index: the data set {config.name} has no such option")
        options["ignore_index"] = config.ignore_index
    return construct(
        cls,
        "data.options",
        options,
        root=Path(config.root).expanduser() if config.root else None,
        split=config.split,
        split_seed=config.split_seed,
    )


def resolve(config: Config, dataset: Dataset) -> Config:
    """Replaces "the data set's own" by the value, so that the run's file says what was used."""
    data = replace(
        config.data,
        image_size=config.data.image_size or dataset.IMAGE_SIZE,
        split=config.data.split or dataset.SPLITS[0],
    )
    return replace(config, data=data)


def moved(config: Config, root: str | None) -> Config:
    """The configuration with the data set at another place; None leaves it where it was."""
    return config if root is None else replace(config, data=replace(config.data, root=root))


def open_data(config: Config, dataset: Dataset | None = None) -> Data:
    """Opens or builds the decoded cache and draws the subsets of ``--limit`` and ``--labels``.

    Args:
        dataset: the configuration's, where it is open already.
    """
    dataset = dataset or open_dataset(config.data)
    size = config.data.image_size or dataset.IMAGE_SIZE
    arrays = decoded(dataset, size, Path(config.data.cache_dir) if config.data.cache_dir else None)
    parts = dataset.split()
    train, val, test = (
        tuple(index for index in part if arrays.readable[index])
        for part in (parts.train, parts.val, parts.test)
    )
    seed = config.training.seed
    if config.data.limit is not None:
        train = _draw(train, config.data.limit, arrays, seed, "data.limit", "training images")
    masks = None
    if config.data.labels is not None:
        masked = tuple(index for index in train if arrays.has_mask[index])
        masks = _draw(masked, config.data.labels, arrays, seed, "data.labels", "training masks")
    messages = (*dataset.notes, *arrays.problems)
    return Data(dataset, arrays, Split(train, val, test), masks, messages)


def _draw(
    indices: tuple[int, ...], count: int, arrays: DecodedArrays, seed: int, key: str, what: str
) -> tuple[int, ...]:
    if count > len(indices):
        raise UsageError(f"{key}: {count} is more than the {len(indices)} {what} there are")
    chosen = subset([int(arrays.labels[index]) for index in indices], count, seed)
    return tuple(indices[position] for position in sorted(chosen))


def make_tasks(config: Config, classes: ClassNames) -> dict[str, Task]:
    """The tasks of the configuration, in its order; the first is the primary one."""
    for name in (*config.tasks.weights, *config.tasks.options):
        if name not in config.tasks.names:
            raise UsageError(
                f"tasks: {name!r} is not among this run's tasks {', '.join(config.tasks.names)}"
            )
    return {
        name: construct(
            TASKS[name],
            f"tasks.options.{name}",
            config.tasks.options.get(name, {}),
            classes=classes,
        )
        for name in config.tasks.names
    }


def make_model(config: Config, tasks: Mapping[str, Task]) -> MultiTaskModel:
    """The network with freshly drawn weights."""
    width = config.model.width
    heads = {name: make_head(task.head, width) for name, task in tasks.items()}
    model = ARCHITECTURES[config.model.architecture](heads, width)
    initialise(model, config.training.seed)
    return model


def make_balancer(config: Config, tasks: Mapping[str, Task]) -> Balancer:
    weights = {name: config.tasks.weights.get(name, task.WEIGHT) for name, task in tasks.items()}
    options = config.training.balancer_options
    return construct(
        BALANCERS[config.training.balancer], "training.balancer_options", options, weights=weights
    )


def check_weights(config: Config) -> None:
    """Raises :class:`UsageError` for ImageNet weights at another width than 1."""
    if _wants_imagenet(config) and config.model.width != 1.0:
        raise UsageError(
            f"model.width: ImageNet weights fit width 1 only, not {config.model.width:g}; "
            "use --weights none, or a file of weights of this width"
        )


def starting_weights(config: Config) -> Path | None:
    """The file of the encoder's starting weights, downloaded if need be; None to start afresh."""
    check_weights(config)
    if not config.model.pretrained or config.model.weights == "none":
        return None
    if not _wants_imagenet(config):
        return Path(config.model.weights).expanduser()
    path = cache_root() / "weights" / Path(VGG16_URL).name
    try:
        return download(VGG16_URL, path, known_hash=f"sha256:{VGG16_SHA256}")
    except DataError as error:
        raise DataError(f"{error}; --weights takes a file of your own, or none") from None


def _wants_imagenet(config: Config) -> bool:
    return config.model.pretrained and config.model.weights == "imagenet"


def load_starting_weights(model: MultiTaskModel, config: Config, data: Data) -> None:
    """Loads the encoder's weights; of plain ones the batch norms are calibrated on images."""
    path = starting_weights(config)
    if path is None:
        return
    variant = load_encoder(model.encoder, path)
    if variant == "bn" or not config.model.calibrate:
        return
    # Spread over the whole training set, which may be sorted by class.
    positions = np.linspace(0, len(data.split.train) - 1, CALIBRATION_IMAGES).astype(int)
    reader = Reader(data.arrays)
    numbers = [data.split.train[position] for position in np.unique(positions)]
    batches = [
        model.prepare(
            reader.__getitems__(
                [Key(0, index) for index in numbers[at : at + CALIBRATION_BATCH]]
            ).image
        )
        for at in range(0, len(numbers), CALIBRATION_BATCH)
    ]
    calibrate(model.encoder, batches)


class Prepare:
    """Collate function: augmentation, then every task's target from the augmented batch."""

    def __init__(self, tasks: Mapping[str, Task], augment: Augment | None, seed: int) -> None:
        self.tasks, self.augment, self.seed = dict(tasks), augment, seed

    def __call__(self, images: LabelledImages) -> Batch:
        if self.augment is not None:
            images = self.augment(images, self.seed)
        targets = {name: task.target(images) for name, task in self.tasks.items()}
        return Batch(images.image, targets, images.index)


def make_augment(config: AugmentationConfig) -> Augment:
    return Augment(**vars(config))


def make_train_loader(
    config: Config, data: Data, tasks: Mapping[str, Task], *, rank: int = 0, world_size: int = 1
) -> DataLoader[Any]:
    """Shuffled, augmented batches of the training images."""
    seed = config.training.seed
    sampler = EpochSampler(
        data.split.train, shuffle=True, seed=seed, rank=rank, world_size=world_size
    )
    return make_loader(
        Reader(data.arrays, data.masks),
        sampler,
        Prepare(tasks, make_augment(config.augmentation), seed),
        batch_size=config.training.batch_size,
        num_workers=_workers(config),
        drop_last=True,
        pin_memory=_on_gpu(config),
    )


def make_eval_loader(
    config: Config,
    data: Data,
    tasks: Mapping[str, Task],
    part: str,
    *,
    rank: int = 0,
    world_size: int = 1,
) -> DataLoader[Any]:
    """Batches of one part (train, val or test), in order and unchanged, with its visible labels."""
    indices = getattr(data.split, part)
    if not indices:
        raise DataError(f"the {part} split of {data.dataset.NAME} has no images")
    sampler = EpochSampler(indices, shuffle=False, rank=rank, world_size=world_size)
    return make_loader(
        Reader(data.arrays, data.masks if part == "train" else None),
        sampler,
        Prepare(tasks, augment=None, seed=0),
        batch_size=max(config.training.batch_size, 16),
        num_workers=_workers(config),
        pin_memory=_on_gpu(config),
    )


def _on_gpu(config: Config) -> bool:
    return config.training.accelerator != "cpu" and torch.cuda.is_available()


def _workers(config: Config) -> int:
    """On a CPU the network itself takes all cores: loader processes would only take them away."""
    if config.data.num_workers is not None:
        return config.data.num_workers
    return 4 if _on_gpu(config) else 0
