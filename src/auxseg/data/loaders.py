"""From decoded arrays to batches: which images, in which order, read and collated."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from auxseg.data.cache import DecodedArrays
from auxseg.types import Batch, LabelledImages


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
    """

    def __init__(self, arrays: DecodedArrays, masks: Sequence[int] | None = None) -> None:
        self.arrays = arrays
        self.visible = np.array(arrays.has_mask)
        if masks is not None:
            allowed = np.zeros_like(self.visible)
            allowed[list(masks)] = True
            self.visible &= allowed

    def __len__(self) -> int:
        return len(self.visible)

    def __getitems__(self, keys: list[Key]) -> LabelledImages:
        """torch's hook for reading a batch at once."""
        numbers = np.array([key.index for key in keys])
        counted = np.array([key.counted for key in keys])
        images = torch.from_numpy(self.arrays.images[numbers])
        boxes = np.where(counted[:, None], self.arrays.boxes[numbers], np.nan)
        return LabelledImages(
            image=images.permute(0, 3, 1, 2).float().div_(255),
            mask=torch.from_numpy(self.arrays.masks[numbers]).long(),
            label=torch.from_numpy(np.where(counted, self.arrays.labels[numbers], -1)),
            box=torch.from_numpy(boxes.astype(np.float32)),
            has_mask=torch.from_numpy(self.visible[numbers] & counted),
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
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    def __len__(self) -> int:
        return -(-len(self.indices) // self.world_size)

    def __iter__(self) -> Iterator[Key]:
        order = self.indices
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for position in range(self.rank, len(self) * self.world_size, self.world_size):
            yield Key(self.epoch, int(order[position % len(order)]), position < len(order))


def make_loader(
    reader: Reader,
    sampler: EpochSampler,
    prepare: Callable[[Any], Batch],
    *,
    batch_size: int,
    num_workers: int = 0,
    drop_last: bool = False,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """Batches of an epoch.

    Args:
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
