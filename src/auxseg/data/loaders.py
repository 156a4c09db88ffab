"""From decoded arrays to batches: which images, in which order, read and collated."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import islice
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from auxseg.data.cache import DecodedArrays
from auxseg.types import IGNORE_INDEX, NO_LABEL, Batch, LabelledImages

#: Sets the order of unlabelled images apart from that of labelled ones of the same seed.
_UNLABELLED = 1


@dataclass(frozen=True)
class Key:
    """One image in one epoch.

    Attributes:
        epoch: part of the key of the image's random numbers.
        index: the image's number in its data set.
        counted: False for an image repeated only to give every process equally many.
    """

    epoch: int
    index: int
    counted: bool = True


class Reader(Dataset[LabelledImages]):
    """Gathers whole batches from the memory-mapped arrays.

    Args:
        arrays: the decoded data set.
        masks: the numbers of the images whose masks may be seen (``--labels``); None for all.
        unlabelled: further images without labels, numbered on from those of ``arrays``.
    """

    def __init__(
        self,
        arrays: DecodedArrays,
        masks: Sequence[int] | None = None,
        unlabelled: DecodedArrays | None = None,
    ) -> None:
        self.arrays, self.unlabelled = arrays, unlabelled
        self.visible = np.array(arrays.has_mask)
        if masks is not None:
            allowed = np.zeros_like(self.visible)
            allowed[list(masks)] = True
            self.visible &= allowed

    def __len__(self) -> int:
        return len(self.visible) + (len(self.unlabelled.images) if self.unlabelled else 0)

    def __getitems__(self, keys: list[Key]) -> LabelledImages:
        """torch's hook for reading a batch at once."""
        numbers = np.array([key.index for key in keys])
        counted = np.array([key.counted for key in keys])
        own = numbers < len(self.visible)
        # What stands for an unlabelled image's labels below is never seen.
        rows = np.where(own, numbers, 0)
        labelled = own & counted
        images = self.arrays.images[rows]
        if self.unlabelled is not None:
            images[~own] = self.unlabelled.images[numbers[~own] - len(self.visible)]
        masks = self.arrays.masks[rows]
        masks[~own] = IGNORE_INDEX
        boxes = np.where(labelled[:, None], self.arrays.boxes[rows], np.nan)
        return LabelledImages(
            image=torch.from_numpy(images).permute(0, 3, 1, 2).float().div_(255),
            mask=torch.from_numpy(masks),
            label=torch.from_numpy(np.where(labelled, self.arrays.labels[rows], NO_LABEL)),
            box=torch.from_numpy(boxes.astype(np.float32)),
            has_mask=torch.from_numpy(self.visible[rows] & labelled),
            counted=torch.from_numpy(counted),
            index=torch.from_numpy(numbers),
            epoch=keys[0].epoch,
        )


class EpochSampler(Sampler[Key]):
    """The order of one epoch, from seed and epoch alone, shared out over processes.

    Every process gets equally many images, so that none waits for another for ever; images
    repeated for that are marked as not counted.

    Args:
        indices: the images to go through.
        shuffle: whether each epoch has its own order.
        seed: of that order.
        rank, world_size: this process and the number of processes.
    """

    def __init__(
        self,
        indices: Sequence[int],
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
    ) -> None:
        self.indices = np.array(indices, dtype=np.int64)
        self.shuffle, self.seed = shuffle, seed
        self.rank, self.world_size = rank, world_size
        self.epoch = 0

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch.

        What is not shuffled has no epochs: the noise of validation images is always the same.
        """
        self.epoch = epoch if self.shuffle else 0

    def __len__(self) -> int:
        return -(-len(self.indices) // self.world_size)

    def __iter__(self) -> Iterator[Key]:
        order = self.indices
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for position in range(self.rank, len(self) * self.world_size, self.world_size):
            yield Key(self.epoch, int(order[position % len(order)]), position < len(order))


class MixedSampler(Sampler[Key]):
    """Labelled images of an epoch with unlabelled ones in every step.

    Every ``labelled_per_step`` images are followed by ``unlabelled_per_step`` others: a batch of
    both together is a step. An epoch is over with its labelled images; the unlabelled ones go on
    in the next epoch where they stopped, in a new order after each pass over all of them.

    Args:
        labelled: the epoch of labelled images.
        unlabelled: numbers of the unlabelled images.
        labelled_per_step, unlabelled_per_step: of one process, at least 1.
    """

    def __init__(
        self,
        labelled: EpochSampler,
        unlabelled: Sequence[int],
        labelled_per_step: int,
        unlabelled_per_step: int,
    ) -> None:
        self.labelled, self.unlabelled = labelled, np.array(unlabelled, dtype=np.int64)
        self.labelled_per_step = labelled_per_step
        self.unlabelled_per_step = unlabelled_per_step

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.labelled.set_epoch(epoch)

    @property
    def _steps(self) -> int:
        return -(-len(self.labelled) // self.labelled_per_step)

    def __len__(self) -> int:
        return len(self.labelled) + self._steps * self.unlabelled_per_step

    def __iter__(self) -> Iterator[Key]:
        epoch = self.labelled.epoch
        others = self._others(epoch * self._steps * self.unlabelled_per_step)
        keys = iter(self.labelled)
        for _ in range(self._steps):
            yield from islice(keys, self.labelled_per_step)
            yield from (Key(epoch, next(others)) for _ in range(self.unlabelled_per_step))

    def _others(self, taken: int) -> Iterator[int]:
        """The unlabelled images of this process, after those it has taken in earlier epochs."""
        first, count = self.labelled, len(self.unlabelled)
        for position in itertools.count(taken * first.world_size + first.rank, first.world_size):
            turn, place = divmod(position, count)
            yield int(self._order(turn)[place])

    @lru_cache(maxsize=2)  # noqa: B019 - a sampler lives as long as its run
    def _order(self, turn: int) -> np.ndarray:
        draw = np.random.default_rng((self.labelled.seed, turn, _UNLABELLED))
        return draw.permutation(self.unlabelled)


def make_loader(
    reader: Reader,
    sampler: EpochSampler | MixedSampler,
    prepare: Callable[[Any], Batch],
    *,
    batch_size: int,
    num_workers: int = 0,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """Batches of an epoch.

    Args:
        batch_size: images per step, labelled and unlabelled together.
        prepare: augmentation, views and targets; runs in the workers as the collate function.
        drop_last: leave out a last, smaller batch (training: its batch norm would be noisy).
    """
    return DataLoader(
        reader,
        batch_size=batch_size,
        sampler=sampler,
        collate_fn=prepare,
        num_workers=num_workers,
        drop_last=drop_last and len(sampler) >= batch_size,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
    )
