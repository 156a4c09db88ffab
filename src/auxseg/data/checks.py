"""What is in a folder of data, and all that is missing or broken there: reads every image."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.config.construct import construct
from auxseg.data import DATASETS
from auxseg.data.base import PARTS, Dataset, Split
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.formats.recognise import check_layout
from auxseg.data.observations import copies_of_training_images, dark, digest, groups_of_copies
from auxseg.data.options import one_of
from auxseg.data.problems import DataProblemsError
from auxseg.errors import DataError, UnreadableImageError
from auxseg.types import IGNORE_INDEX

#: The data sets that are folders, by name.
FILE_BASED = {name: kind for name, kind in DATASETS.items() if kind.LAYOUT}


@dataclass(frozen=True)
class Report:
    """What a check found.

    Attributes:
        counts: what was counted → the count, in the order to print.
        problems: one line each, naming the file; empty if all is well.
        notes: the data set's own observations, and its split's.
    """

    counts: Mapping[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Finding:
    """What one image has: the sum over all images makes the report.

    Attributes:
        pixels: int64 (256,), the mask's pixels by value; None without a mask.
        brightest: the image's largest value, 0 to 255.
        digest: see :func:`auxseg.data.observations.digest`; None where it cannot be read.
    """

    readable: bool = True
    label: int | None = None
    has_box: bool = False
    pixels: np.ndarray | None = None
    problem: str | None = None
    brightest: int = 255
    digest: int | None = None


def check_root(root: Path, name: str | None = None, **options: Any) -> Report:
    """Checks a folder: all its problems, also those on which the data set itself stops.

    Args:
        name: the data set's name; None for what :func:`detect` makes of the folder.
        options: further arguments of the data set, such as ``ignore_index``.

    Raises:
        UsageError: unknown name, or an option's value is wrong.
        DataError: the layout is that of no data set, labels are in another tool's format, or a
            table's header is wrong, so that nothing can be counted.
    """
    kind = FILE_BASED[one_of("data", name or detect(root), tuple(FILE_BASED))]
    if kind is Folder:
        check_layout(root)
    try:
        return check(construct(kind, "data.options", options, root=root))
    except DataProblemsError as error:
        return check(error.partial, error.problems)


def check(dataset: Dataset, problems: Sequence[str] = ()) -> Report:
    """Reads every image with its labels, in threads, and counts.

    Args:
        problems: what is known already; comes first in the report.
    """
    with ThreadPoolExecutor(min(8, os.cpu_count() or 1)) as pool:
        findings = list(pool.map(lambda index: _look(dataset, index), range(len(dataset))))
    found = [finding.problem for finding in findings if finding.problem is not None]
    split = dataset.split()
    # A broken file may be met in construction and again in reading.
    known = tuple(dict.fromkeys([*problems, *found]))
    return Report(
        counts=_count(dataset, findings, split),
        # Where files are broken, that may be why masks are lacking.
        problems=known or _lacking(findings, split),
        notes=(
            *dataset.notes,
            *split.notes,
            *dark([finding.brightest for finding in findings if finding.readable]),
            *_copies(dataset, findings, split),
        ),
    )


def detect(root: Path) -> str:
    """The name of the data set whose layout a folder has.

    Raises:
        DataError: no such folder, or none of the layouts; says what each needs.
    """
    if not root.is_dir():
        raise DataError(f"{root}: no such folder")
    # The folder of a user's own photos is the least particular: it comes last.
    for name in sorted(FILE_BASED, key=lambda name: name == Folder.NAME):
        if FILE_BASED[name].recognises(root):
            return name
    check_layout(root)
    needs = ", ".join(f"{name} needs {kind.LAYOUT}" for name, kind in FILE_BASED.items())
    raise DataError(f"{root}: no known layout; {needs}")


def _look(dataset: Dataset, index: int) -> _Finding:
    try:
        sample = dataset.read(index)
    except UnreadableImageError as error:
        return _Finding(readable=False, problem=str(error))
    except DataError as error:
        return _Finding(problem=str(error))
    mask = sample.mask
    return _Finding(
        label=sample.label,
        has_box=sample.box is not None,
        pixels=None if mask is None else np.bincount(mask.ravel(), minlength=256),
        brightest=int(sample.image.max()),
        digest=digest(sample.image),
    )


def _lacking(findings: Sequence[_Finding], split: Split) -> tuple[str, ...]:
    """What training would refuse for want of masks: it learns from some, and chooses by others."""
    has_mask = [finding.readable and finding.pixels is not None for finding in findings]
    if not any(has_mask):
        return ("no image has a mask: there is nothing to learn segmentation from",)
    need = {"train": "to learn from", "val": "to choose the best epoch by"}
    return tuple(
        f"none of the {len(getattr(split, part))} images in {part} has a mask {purpose}; "
        f"{sum(has_mask)} others have one"
        for part, purpose in need.items()
        if not any(has_mask[number] for number in getattr(split, part))
    )


def _copies(dataset: Dataset, findings: Sequence[_Finding], split: Split) -> list[str]:
    """What to say of images that are there several times."""
    digests = {
        number: finding.digest
        for number, finding in enumerate(findings)
        if finding.digest is not None
    }
    groups = groups_of_copies(digests)
    if not groups:
        return []
    first = ", ".join(dataset.name(number) for number in groups[0][:3])
    return [
        f"{sum(map(len, groups))} images are copies of one another, in {len(groups)} groups "
        f"(first: {first})",
        *copies_of_training_images(digests, split, dataset.name),
    ]


def _count(dataset: Dataset, findings: Sequence[_Finding], split: Split) -> dict[str, str]:
    labels = Counter(finding.label for finding in findings if finding.label is not None)
    masks = [finding.pixels for finding in findings if finding.pixels is not None]
    counts = {
        "images": len(findings),
        "readable": sum(finding.readable for finding in findings),
        "with mask": len(masks),
        "with class": labels.total(),
        "with box": sum(finding.has_box for finding in findings),
        **{f"images of {name}": labels[i] for i, name in enumerate(dataset.label_classes)},
        **{f"images in {part}": len(getattr(split, part)) for part in PARTS},
    }
    return {**{key: str(value) for key, value in counts.items()}, **_shares(dataset, masks)}


def _shares(dataset: Dataset, masks: Sequence[np.ndarray]) -> dict[str, str]:
    """How many of all masks' pixels each class has."""
    pixels = np.sum(masks, axis=0) if masks else np.zeros(256, dtype=np.int64)
    total = int(pixels.sum())
    if not total:
        return {}
    named = {f"pixels of {name}": pixels[i] for i, name in enumerate(dataset.mask_classes)}
    if pixels[IGNORE_INDEX]:
        named["pixels not labelled"] = pixels[IGNORE_INDEX]
    return {key: f"{100 * value / total:.1f} %" for key, value in named.items()}
