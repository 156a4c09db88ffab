"""From decoded arrays to batches: which images, in which order, read and collated."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache, partial
from multiprocessing.queues import Queue
from typing import Any

import numpy as np
import torch
from torch.utils.data import DataLoader, Dataset, Sampler

from auxseg.data.arrays import DecodedArrays
from auxseg.data.keys import Key
from auxseg.processes import end_with
from auxseg.types import IGNORE_INDEX, NO_LABEL, Batch, LabelledImages

#: Sets the order of unlabelled images apart from that of labelled ones of the same seed.
_UNLABELLED = 1


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
        return len(self.visible) + (len(self.unlabelled.readable) if self.unlabelled else 0)

    def __getitems__(self, keys: list[Key]) -> LabelledImages:
        """torch's hook for reading a batch at once."""
        numbers = np.array([key.index for key in keys])
        counted = np.array([key.counted for key in keys])
        own = numbers < len(self.visible)
        # What stands for an unlabelled image's labels below is never seen.
        rows = np.where(own, numbers, 0)
        labelled = own & counted
        images, masks = self.arrays.pixels(_at(keys, rows))
        if self.unlabelled is not None and not own.all():
            images[~own] = self._bare(keys)
        masks[~own] = IGNORE_INDEX
        extents = self.arrays.extents
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
            extent=None if extents is None else torch.from_numpy(extents[rows]),
        )

    def _bare(self, keys: Sequence[Key]) -> np.ndarray:
        """The unlabelled images among those asked for, uint8 (n, S, S, 3)."""
        assert self.unlabelled is not None
        first = len(self.visible)
        further = [key for key in keys if key.index >= first]
        return self.unlabelled.pixels(_at(further, [key.index - first for key in further]))[0]


def _at(keys: Sequence[Key], rows: Sequence[int] | np.ndarray) -> list[Key]:
    """The keys, of the images in these rows."""
    return [replace(key, index=int(row)) for key, row in zip(keys, rows, strict=True)]


class EpochSampler(Sampler[Key]):
    """The order of one epoch, from seed and epoch alone, shared out over processes.

    Every process gets equally many images, so that none waits for another for ever; images
    repeated for that are marked as not counted.

    Args:
        indices: the images to go through.
        shuffle: whether each epoch has its own order.
        seed: of that order.
        rank, world_size: this process and the number of processes.
        tiles: of images that are seen tile by tile, the number of tiles of each.
    """

    def __init__(
        self,
        indices: Sequence[int],
        *,
        shuffle: bool,
        seed: int = 0,
        rank: int = 0,
        world_size: int = 1,
        tiles: Sequence[int] | None = None,
    ) -> None:
        self.indices, self.tiles = np.array(indices, dtype=np.int64), None
        if tiles is not None:
            self.indices = np.repeat(self.indices, tiles)
            self.tiles = [tile for count in tiles for tile in range(count)]
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
        order = np.arange(len(self.indices))
        if self.shuffle:
            order = np.random.default_rng((self.seed, self.epoch)).permutation(order)
        for position in range(self.rank, len(self) * self.world_size, self.world_size):
            place = order[position % len(order)]
            tile = None if self.tiles is None else self.tiles[place]
            yield Key(self.epoch, int(self.indices[place]), position < len(order), tile)


class Batches(Sampler[list[Key]]):
    """The images of an epoch in batches, the last of which may be smaller."""

    def __init__(self, images: EpochSampler, size: int) -> None:
        self.images, self.size = images, size

    def __len__(self) -> int:
        return -(-len(self.images) // self.size)

    def __iter__(self) -> Iterator[list[Key]]:
        keys = list(self.images)
        for first in range(0, len(keys), self.size):
            yield keys[first : first + self.size]


class StepSampler(Sampler[list[Key]]):
    """The images of every training step, from the seed and the step's number alone.

    A step takes images that have the primary task's label, and as many others as it is told. The
    former are gone through pass by pass, each in a new order, in ⌈images / batch size⌉ steps that
    differ by at most one image: so none is left out, and none is alone in a step. The latter go
    on where the last step stopped, in a new order after each pass over all of them.

    An epoch is one pass over the former, several ``passes``, or ``every`` steps.

    Args:
        labelled: the passes over the images with the primary task's label.
        batch_size: the most of these in a step of one process, at least 1.
        others: numbers of the images without that label; may be empty.
        others_per_step: how many of them a step of one process takes.
        passes: of an epoch, where ``every`` does not say its length.
        every: steps of an epoch; by default those of its passes.
        steps: of the whole run, at which its last epoch ends; by default the end of an epoch.
    """

    def __init__(
        self,
        labelled: EpochSampler,
        batch_size: int,
        *,
        others: Sequence[int] = (),
        others_per_step: int = 0,
        passes: int = 1,
        every: int | None = None,
        steps: int | None = None,
    ) -> None:
        self.labelled, self.others = labelled, np.array(others, dtype=np.int64)
        self.others_per_step = others_per_step if len(others) else 0
        self.pass_steps = -(-len(labelled) // batch_size)
        self.every, self.steps = every or passes * self.pass_steps, steps
        self.epoch, self._first = 0, 0
        #: Lightning tells a batch sampler's own sampler of the epoch.
        self.sampler = self

    def go_on_at(self, epoch: int, steps: int) -> None:
        """Goes on within an epoch of which so many steps are done; its length stays what it is.

        To be called before a loader asks for the first batch: loader processes ask for several at
        once, before Lightning tells of the epoch.
        """
        self.epoch, self._first = epoch, epoch * self.every + steps

    def set_epoch(self, epoch: int) -> None:
        """Called by Lightning at the start of every epoch."""
        self.epoch = epoch

    @property
    def _range(self) -> range:
        """The steps of this epoch, counted through the whole run."""
        first = self.epoch * self.every
        last = first + self.every
        return range(first, last if self.steps is None else min(last, self.steps))

    def __len__(self) -> int:
        return len(self._range)

    def __iter__(self) -> Iterator[list[Key]]:
        for step in self._range:
            if step >= self._first:
                yield self.keys(step)

    def keys(self, step: int) -> list[Key]:
        """The images of a step of the run, counted from 0."""
        number, place = divmod(step, self.pass_steps)
        order = self._pass(number)
        first, last = (len(order) * edge // self.pass_steps for edge in (place, place + 1))
        return [*order[first:last], *(Key(number, index) for index in self._others(step))]

    @lru_cache(maxsize=2)  # noqa: B019 - a sampler lives as long as its run
    def _pass(self, number: int) -> list[Key]:
        self.labelled.set_epoch(number)
        return list(self.labelled)

    def _others(self, step: int) -> Iterator[int]:
        """The images without the label that this process takes in a step."""
        first, size = self.labelled, self.others_per_step
        for position in range(step * size, (step + 1) * size):
            turn, place = divmod(position * first.world_size + first.rank, len(self.others))
            yield int(self._turn(turn)[place])

    @lru_cache(maxsize=2)  # noqa: B019 - a sampler lives as long as its run
    def _turn(self, turn: int) -> np.ndarray:
        draw = np.random.default_rng((self.labelled.seed, turn, _UNLABELLED))
        return draw.permutation(self.others)


def make_loader(
    reader: Reader,
    batches: Sampler[list[Key]],
    prepare: Callable[[Any], Batch],
    *,
    num_workers: int = 0,
    pin_memory: bool = False,
) -> DataLoader[Any]:
    """Batches of an epoch.

    Args:
        batches: the images of each batch.
        prepare: augmentation, views and targets; runs in the workers as the collate function.
    """
    return DataLoader(
        reader,
        batch_sampler=batches,
        collate_fn=prepare,
        num_workers=num_workers,
        pin_memory=pin_memory,
        persistent_workers=num_workers > 0,
        worker_init_fn=partial(_start_worker, os.getpid()),
    )


def _start_worker(parent: int, number: int) -> None:
    """Loader processes end with their parent, and where a batch cannot be handed over.

    Python's queue would print why and drop the batch, for which the parent then waits for ever: so
    in a container with a small /dev/shm, through which batches pass.
    """
    end_with(parent)

    def give_up(error: Exception, batch: object) -> None:
        os._exit(1)  # which torch tells the parent

    Queue._on_queue_feeder_error = staticmethod(give_up)  # type: ignore[attr-defined]
