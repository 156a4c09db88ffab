"""Configuration → loaders; what happens to images on their way into a batch."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch
from torch.utils.data import DataLoader

from auxseg.assembly.data import Data, others_per_step
from auxseg.assembly.tasks import make_views
from auxseg.config import AugmentationConfig, Config
from auxseg.data.augmentation import Augment
from auxseg.data.loaders import Batches, EpochSampler, Reader, StepSampler, make_loader
from auxseg.errors import DataError, UsageError
from auxseg.tasks import Task, Views
from auxseg.types import Batch, LabelledImages

#: Every system and every epoch is measured with the same noise.
EVALUATION_SEED = 0


class Prepare:
    """Collate function: augmentation, then the views and every task's target from the batch.

    Args:
        training: see :meth:`auxseg.tasks.Views.batch`.
    """

    def __init__(
        self, views: Views, augment: Augment | None, seed: int, *, training: bool = False
    ) -> None:
        self.views, self.augment, self.seed, self.training = views, augment, seed, training

    def __call__(self, images: LabelledImages) -> Batch:
        if self.augment is not None:
            images = self.augment(images, self.seed)
        return self.views.batch(images, self.seed, training=self.training)


def make_augment(config: AugmentationConfig) -> Augment:
    return Augment(**vars(config))


def make_train_loader(
    config: Config, data: Data, tasks: Mapping[str, Task], *, rank: int = 0, world_size: int = 1
) -> DataLoader[Any]:
    """Shuffled, augmented batches of the training images.

    ``training.batch_size`` counts those that have the primary task's label;
    ``data.unlabelled_ratio`` times as many others (at least one) come on top, where there are any.
    """
    training = config.training
    sampler = StepSampler(
        EpochSampler(
            data.primary, shuffle=True, seed=training.seed, rank=rank, world_size=world_size
        ),
        training.batch_size,
        others=data.others,
        others_per_step=others_per_step(config),
        passes=_passes(data),
        every=training.validate_every,
        steps=training.steps,
    )
    return make_loader(
        data.reader,
        sampler,
        Prepare(
            make_views(config, tasks),
            make_augment(config.augmentation),
            training.seed,
            training=True,
        ),
        num_workers=_workers(config),
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
    sampler = EpochSampler(
        indices,
        shuffle=False,
        rank=rank,
        world_size=world_size,
        tiles=_tiles(data, indices),
    )
    return make_loader(
        Reader(data.arrays, data.masks if part == "train" else None),
        Batches(sampler, max(config.training.batch_size, 16)),
        Prepare(make_views(config, tasks), augment=None, seed=EVALUATION_SEED),
        num_workers=_workers(config),
        pin_memory=_on_gpu(config),
    )


def _tiles(data: Data, indices: Sequence[int]) -> list[int] | None:
    """Into how many tiles each image is cut; None where a picture shows a whole image."""
    crops, sizes = data.arrays.crops, data.arrays.sizes
    if crops is None or sizes is None:
        return None
    return [crops.tiles(*map(int, sizes[index])) for index in indices]


def _passes(data: Data) -> int:
    """How often an epoch shows each image: as often as it has tiles, on average."""
    tiles = _tiles(data, data.primary)
    return round(sum(tiles) / len(tiles)) if tiles else 1


def _on_gpu(config: Config) -> bool:
    return config.training.accelerator != "cpu" and torch.cuda.is_available()


def _workers(config: Config) -> int:
    """On a CPU the network itself takes all cores: loader processes would only take them away."""
    if config.data.num_workers is not None:
        return config.data.num_workers
    return 4 if _on_gpu(config) else 0
