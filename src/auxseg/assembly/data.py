"""Configuration → the decoded images, who trains, chooses and tests, and which labels are seen."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import cv2
import numpy as np

from auxseg.assembly.fits import make_crops, make_fit
from auxseg.config import Config, DataConfig
from auxseg.config.construct import construct
from auxseg.data import DATASETS, Dataset, Split
from auxseg.data.arrays import DecodedArrays
from auxseg.data.cache import decoded
from auxseg.data.crops import Crops
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.datasets.unlabelled import Unlabelled
from auxseg.data.fits import Fit
from auxseg.data.formats.recognise import check_layout
from auxseg.data.kept import KeptSplit, is_split_file, named_split, split_of_file
from auxseg.data.live import LiveArrays
from auxseg.data.loaders import Reader
from auxseg.data.observations import copies_of_training_images
from auxseg.data.splits import subset
from auxseg.errors import DataError, UsageError
from auxseg.tasks import TASKS
from auxseg.types import NO_LABEL

#: What a run may train on.
TRAIN_ON = ("train", "train+val")

#: Mean difference of two thumbnails, in steps of 8-bit images, below which they show one photo.
ALIKE = 8.0


@dataclass(frozen=True)
class Data:
    """A data set, decoded as a network wants it, with its split.

    Attributes:
        fit: how photos become the network's pictures.
        split: readable images only; ``train`` after ``--limit``; under ``--train-on train+val``
            it holds the validation images, and ``val`` nothing.
        parts: image name → its part (train, val, test or unused), of every image, readable or
            not, whatever ``--limit`` and ``--train-on`` make of it: what a run keeps.
        masks: the training images whose masks may be seen (``--labels``); None for all.
        messages: what a user should read once: notes and images left out.
        primary: the training images that have the primary task's label: an epoch runs over these.
        others: what else there is to train on: the other training images that have a label for
            some task, and the unlabelled ones where a task needs none.
        unlabelled: further training images (``--unlabelled``); None without any.
    """

    dataset: Dataset
    fit: Fit
    arrays: DecodedArrays
    split: Split
    parts: Mapping[str, str]
    masks: tuple[int, ...] | None
    messages: tuple[str, ...]
    primary: tuple[int, ...]
    others: tuple[int, ...] = ()
    unlabelled: UnlabelledImages | None = None

    @property
    def counts(self) -> dict[str, int]:
        """How many images there are: train, masks (of them, seen in training), …"""
        visible = self.reader.visible
        return {
            "train": len(self.split.train),
            "masks": int(visible[list(self.split.train)].sum()),
            "unlabelled": len(self.unlabelled.numbers) if self.unlabelled else 0,
            "val": len(self.split.val),
            "test": len(self.split.test),
        }

    def name(self, number: int) -> str:
        """The file name of an image, by its number."""
        own = len(self.dataset)
        if self.unlabelled is not None and number >= own:
            return self.unlabelled.source.name(number - own)
        return self.dataset.name(number)

    @property
    def reader(self) -> Reader:
        """Reads training images, with the labels that may be seen, and unlabelled ones."""
        return Reader(self.arrays, self.masks, self.unlabelled.arrays if self.unlabelled else None)


@dataclass(frozen=True)
class UnlabelledImages:
    """Images without labels, decoded at the data set's size.

    Attributes:
        numbers: those of the readable ones, counted on from the last image of the data set.
        source: the folder they come from.
    """

    arrays: DecodedArrays
    numbers: tuple[int, ...]
    source: Unlabelled


def open_dataset(config: DataConfig) -> Dataset:
    """The data set that the configuration names, not yet decoded.

    A split file stands beside the data set, which then is opened with its usual split.

    Raises:
        DataError: a folder of photos whose labels are in another tool's format.
    """
    cls = DATASETS[config.name]
    options = dict(config.options)
    root = Path(config.root).expanduser() if config.root else None
    if cls is Folder and root is not None:
        check_layout(root)
    if config.ignore_index is not None:
        if "ignore_index" not in inspect.signature(cls).parameters:
            raise UsageError(f"--ignore-index: the data set {config.name} has no such option")
        options["ignore_index"] = config.ignore_index
    return construct(
        cls,
        "data.options",
        options,
        root=root,
        split=None if is_split_file(config.split) else config.split,
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


def measured(config: Config) -> Config:
    """The configuration without what only training needs: unlabelled images."""
    return replace(config, data=replace(config.data, unlabelled=None))


def open_data(
    config: Config,
    dataset: Dataset | None = None,
    *,
    kept: KeptSplit | None = None,
    opened: Data | None = None,
) -> Data:
    """Opens or builds the decoded cache and draws the subsets of ``--limit`` and ``--labels``.

    Args:
        dataset: the configuration's, where it is open already.
        kept: a run's split, which comes before that of the configuration.
        opened: the same data set at the same size (and, with ``--unlabelled``, the same folder and
            split), however it is drawn from: what is open is taken from there.

    Raises:
        UsageError, DataError: one line each; a split file is read before anything is decoded.
    """
    if opened is not None:
        dataset = opened.dataset
    dataset = dataset or open_dataset(config.data)
    fit = make_fit(config, dataset)
    named = named_split(dataset, kept or split_of_file(config.data.split))
    arrays = opened.arrays if opened else _decoded(config.data, dataset, fit)
    split, masks = _subsets(config, named.split, arrays)
    if not fit.WHOLE:
        arrays = replace(arrays, crops=make_crops(config, fit, arrays, split.train, masks))
    parts = (*split.train, *split.val, *split.test)
    digests, prints = (
        {number: int(values[number]) for number in parts}
        for values in (arrays.digests, arrays.prints)
    )
    copies = copies_of_training_images(digests, prints, split, dataset.name, dataset.mend_copies)
    unlabelled, further = _open_unlabelled(config, dataset, fit, arrays, split, opened)
    messages = (*dataset.notes, *named.notes, *arrays.problems, *arrays.notes, *copies, *further)
    primary, others = _streams(config, split.train, Reader(arrays, masks))
    if unlabelled is not None:
        others += unlabelled.numbers
    return Data(
        *(dataset, fit, arrays, split, named.parts, masks, messages),
        *(primary, others, unlabelled),
    )


def _subsets(
    config: Config, whole: Split, arrays: DecodedArrays
) -> tuple[Split, tuple[int, ...] | None]:
    """The readable images that a run trains, chooses and tests on, and whose masks it sees."""
    train, val, test = (
        tuple(index for index in part if arrays.readable[index])
        for part in (whole.train, whole.val, whole.test)
    )
    if config.data.train_on == "train+val":
        train, val = tuple(sorted((*train, *val))), ()
    seed = config.training.seed
    if config.data.limit is not None:
        train = _draw(train, config.data.limit, arrays, seed, "data.limit", "training images")
    masks = None
    if config.data.labels is not None:
        masked = tuple(index for index in train if arrays.has_mask[index])
        masks = _draw(masked, config.data.labels, arrays, seed, "data.labels", "training masks")
    return Split(train, val, test), masks


def _streams(
    config: Config, train: tuple[int, ...], reader: Reader
) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """The training images with the primary task's label; of the others those with any label."""
    has = {
        "mask": reader.visible,
        "label": reader.arrays.labels != NO_LABEL,
        "box": ~np.isnan(reader.arrays.boxes).any(axis=1),
        None: np.ones_like(reader.visible),
    }
    first, *further = (has[TASKS[name].LABEL] for name in config.tasks.names)
    useful = np.any([np.zeros_like(reader.visible), *further], axis=0)
    primary = tuple(index for index in train if first[index])
    others = tuple(index for index in train if useful[index] and not first[index])
    return primary, others


def _open_unlabelled(
    config: Config,
    dataset: Dataset,
    fit: Fit,
    arrays: DecodedArrays,
    split: Split,
    opened: Data | None,
) -> tuple[UnlabelledImages | None, tuple[str, ...]]:
    """The images of ``--unlabelled``, where a task can learn from them, and what to say of them."""
    if config.data.unlabelled is None:
        return None, ()
    learning = _learns_without_labels(config)
    if learning and opened is not None and opened.unlabelled is not None:
        return opened.unlabelled, ()
    source = Unlabelled(Path(config.data.unlabelled).expanduser())
    if not learning:
        able = ", ".join(name for name, task in TASKS.items() if task.LABEL is None)
        note = f"--unlabelled has no effect: of the tasks only {able} learn without labels"
        return None, (note,)
    further = _decoded(config.data, source, fit)
    if not fit.WHOLE:
        further = replace(further, crops=Crops(fit.size, config.training.seed))
    held_out = _held_out(source, further, dataset, arrays, split)
    first = len(dataset)
    numbers = tuple(
        first + index
        for index in range(len(source))
        if further.readable[index] and index not in held_out
    )
    if not numbers:
        raise DataError(
            f"{config.data.unlabelled}: no image is left to train on (all are unreadable, or "
            "validation or test images)"
        )
    notes = (*source.notes, *further.problems)
    if held_out:
        name = source.name(min(held_out))
        notes += (
            f"{len(held_out)} unlabelled images are validation or test images of "
            f"{dataset.NAME} and are left out (first: {name})",
        )
    return UnlabelledImages(further, numbers, source), notes


def _held_out(
    source: Unlabelled,
    further: DecodedArrays,
    dataset: Dataset,
    arrays: DecodedArrays,
    split: Split,
) -> set[int]:
    """Unlabelled images of the name and look of one that must not be trained on.

    A copy may have been resized or compressed again; two photos that share a name by chance
    differ by more.
    """
    secret = {Path(dataset.name(index)).stem: index for index in (*split.val, *split.test)}
    return {
        index
        for index in range(len(source))
        if (twin := secret.get(Path(source.name(index)).stem)) is not None
        and _alike(further.images[index], arrays.images[twin])
    }


def _alike(image: np.ndarray, other: np.ndarray) -> bool:
    """Whether two images, uint8 (S, S, 3), are the same at a glance: as thumbnails of 16×16."""
    thumbnails = [
        cv2.resize(one, (16, 16), interpolation=cv2.INTER_AREA).astype(float)
        for one in (image, other)
    ]
    return float(np.abs(thumbnails[0] - thumbnails[1]).mean()) < ALIKE


def others_per_step(config: Config) -> int:
    """Images without the primary task's label that come on top of every batch, if there are any."""
    return max(1, round(config.data.unlabelled_ratio * config.training.batch_size))


def expects_others(config: Config) -> bool:
    """Whether there are images beside those with the primary task's label, by the options alone."""
    apart = config.data.unlabelled is not None or config.data.labels is not None
    asking = any(TASKS[name].ASKS_TEACHER for name in config.tasks.names)
    return asking or (apart and _learns_without_labels(config))


def _learns_without_labels(config: Config) -> bool:
    return any(TASKS[name].LABEL is None for name in config.tasks.names)


def _decoded(config: DataConfig, dataset: Dataset, fit: Fit) -> DecodedArrays:
    """The data set's images and labels, from the cache as far as it keeps them."""
    place = Path(config.cache_dir).expanduser() if config.cache_dir else None
    if config.cache == "none":
        return LiveArrays.open(dataset, fit, place)
    return decoded(dataset, fit, place, limit=config.cache_limit)


def _draw(
    indices: tuple[int, ...], count: int, arrays: DecodedArrays, seed: int, key: str, what: str
) -> tuple[int, ...]:
    if count > len(indices):
        raise UsageError(f"{key}: {count} is more than the {len(indices)} {what} there are")
    chosen = subset([int(arrays.labels[index]) for index in indices], count, seed)
    return tuple(indices[position] for position in sorted(chosen))
