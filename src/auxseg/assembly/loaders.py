"""Configuration → loaders; what happens to images on their way into a batch."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch.utils.data import DataLoader

from auxseg.assembly.data import Data, unlabelled_per_step
from auxseg.assembly.tasks import make_views
from auxseg.config import AugmentationConfig, Config
from auxseg.data.augmentation import Augment
from auxseg.data.loaders import EpochSampler, MixedSampler, Reader, make_loader
from auxseg.errors import DataError, UsageError
from auxseg.tasks import Task, Views
from auxseg.types import Batch, LabelledImages

#: Every system and every epoch is measured with the same noise.
EVALUATION_SEED = 0


class Prepare:
    """Collate function: augmentation, then the views and every task's target from the batch."""

    def __init__(self, views: Views, augment: Augment | None, seed: int) -> None:
        self.views, self.augment, self.seed = views, augment, seed

    def __call__(self, images: LabelledImages) -> Batch:
        if self.augment is not None:
            images = self.augment(images, self.seed)
        views, targets = self.views.examples(images, self.seed)
        labelled = {name: int(target.present.sum()) for name, target in targets.items()}
        return Batch(views, self.views.routes, targets, images.index, labelled)


def make_augment(config: AugmentationConfig) -> Augment:
    return Augment(**vars(config))


def make_train_loader(
    config: Config, data: Data, tasks: Mapping[str, Task], *, rank: int = 0, world_size: int = 1
) -> DataLoader[Any]:
    """Shuffled, augmented batches of the training images, with unlabelled ones in every step.

    ``training.batch_size`` counts the data set's own images; ``data.unlabelled_ratio`` times as
    many unlabelled ones (at least one) come on top.
    """
    seed, batch_size = config.training.seed, config.training.batch_size
    labelled = EpochSampler(
        data.split.train, shuffle=True, seed=seed, rank=rank, world_size=world_size
    )
    sampler: EpochSampler | MixedSampler = labelled
    if data.unlabelled is not None:
        further = unlabelled_per_step(config)
        sampler = MixedSampler(labelled, data.unlabelled.numbers, batch_size, further)
        batch_size += further
    return make_loader(
        data.reader,
        sampler,
        Prepare(make_views(config, tasks), make_augment(config.augmentation), seed),
        batch_size=batch_size,
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
    if part == "val" and config.data.train_on == "train+val":
        raise UsageError("the validation images were trained on (--train-on train+val)")
    if not indices:
        raise DataError(f"the {part} split of {data.dataset.NAME} has no images")
    sampler = EpochSampler(indices, shuffle=False, rank=rank, world_size=world_size)
    return make_loader(
        Reader(data.arrays, data.masks if part == "train" else None),
        sampler,
        Prepare(make_views(config, tasks), augment=None, seed=EVALUATION_SEED),
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
