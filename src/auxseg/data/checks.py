"""What is in a folder of data, and all that is missing or broken there: reads every image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.config.construct import construct
from auxseg.data import DATASETS
from auxseg.data.base import PARTS, Dataset, Split
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.findings import Finding, look_at_all
from auxseg.data.formats.recognise import check_layout
from auxseg.data.kept import KeptSplit, named_split, split_of_file
from auxseg.data.likeness import groups
from auxseg.data.observations import copies_of_training_images, dark, groups_of_copies
from auxseg.data.options import one_of
from auxseg.data.problems import DataProblemsError
from auxseg.errors import DataError
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
        findings: of every image, by its number.
        leaks: whether images that are measured look like training images.
    """

    dataset: Dataset
    split: Split
    findings: Sequence[Finding]
    counts: Mapping[str, str]
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    leaks: bool = False

    def stop_on_problems(self, root: Path) -> None:
        """Raises DataError with the first problem, and how to see the others."""
        if self.problems:
            further = len(self.problems) - 1
            more = f" (and {further} more)" if further else ""
            raise DataError(f"{self.problems[0]}{more}; `auxseg data check {root}` lists all")


def check_root(
    root: Path,
    name: str | None = None,
    *,
    split: str | None = None,
    split_seed: int = 0,
    details: bool = False,
    **options: Any,
) -> Report:
    """Checks a folder: all its problems, also those on which the data set itself stops.

    Args:
        name: the data set's name; None for what :func:`detect` makes of the folder.
        split, split_seed: how the data set is split, as in training: by default as it is by
            default; a split file comes before the data set's own.
        details: see :func:`auxseg.data.findings.look`.
        options: further arguments of the data set, such as ``ignore_index``.

    Raises:
        UsageError: unknown name, or an option's value is wrong.
        DataError: the layout is that of no data set, labels are in another tool's format, or a
            table's header is wrong, so that nothing can be counted.
    """
    kind = FILE_BASED[one_of("data", name or detect(root), tuple(FILE_BASED))]
    if kind is Folder:
        check_layout(root)
    kept = split_of_file(split)
    try:
        whole = {"root": root, "split": None if kept else split, "split_seed": split_seed}
        dataset = construct(kind, "data.options", options, **whole)
        return check(dataset, kept=kept, details=details)
    except DataProblemsError as error:
        return check(error.partial, error.problems, kept=kept, details=details)


def check(
    dataset: Dataset,
    problems: Sequence[str] = (),
    *,
    kept: KeptSplit | None = None,
    details: bool = False,
    findings: Sequence[Finding] | None = None,
) -> Report:
    """Reads every image with its labels, in threads, and counts.

    Args:
        problems: what is known already; comes first in the report.
        kept: a run's split; by default the data set's own.
        details: see :func:`auxseg.data.findings.look`.
        findings: of the same images, where they were looked at already.
    """
    if findings is None:
        findings = look_at_all(dataset, details=details)
    found = [finding.problem for finding in findings if finding.problem is not None]
    split = dataset.split() if kept is None else named_split(dataset, kept).split
    copies, leaks = _copies(dataset, findings, split)
    # A broken file may be met in construction and again in reading.
    known = tuple(dict.fromkeys([*problems, *found]))
    return Report(
        *(dataset, split, findings),
        counts=_count(dataset, findings, split),
        # Where files are broken, that may be why masks are lacking.
        problems=known or _lacking(dataset, findings, split),
        notes=(
            *dataset.notes,
            *split.notes,
            *dark([finding.brightest for finding in findings if finding.readable]),
            *copies,
            *leaks,
        ),
        leaks=bool(leaks),
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


def _lacking(dataset: Dataset, findings: Sequence[Finding], split: Split) -> tuple[str, ...]:
    """What training would refuse for want of masks: it learns from some, and chooses by others."""
    has_mask = [finding.readable and finding.pixels is not None for finding in findings]
    if not any(has_mask):
        return ("no image has a mask: there is nothing to learn segmentation from",)
    if len(dataset.mask_classes) < 2:
        return (
            "the masks contain only one class; at least two are needed, such as the background and "
            "one more (classes.txt can name classes that no mask contains yet)",
        )
    need = {"train": "to learn from", "val": "to choose the best epoch by"}
    return tuple(
        f"none of the {len(getattr(split, part))} images in {part} has a mask {purpose}; "
        f"{sum(has_mask)} others have one"
        for part, purpose in need.items()
        if not any(has_mask[number] for number in getattr(split, part))
    )


def _copies(
    dataset: Dataset, findings: Sequence[Finding], split: Split
) -> tuple[list[str], list[str]]:
    """What to say of images that are there several times, or nearly; and of those in two parts."""
    readable = {n: one for n, one in enumerate(findings) if one.digest is not None}
    digests = {number: one.digest for number, one in readable.items() if one.digest is not None}
    prints = {number: one.print for number, one in readable.items()}
    equal, near = groups_of_copies(digests), groups(prints)
    found = []
    for together, what in (
        (equal, "are copies of one another"),
        (near, "look alike: saved again, resized, or of one moment"),
    ):
        if together and (together is equal or sorted(near) != sorted(equal)):
            first = ", ".join(dataset.name(number) for number in together[0][:3])
            count = sum(map(len, together))
            found.append(f"{count} images {what}, in {len(together)} groups (first: {first})")
    told = copies_of_training_images(digests, prints, split, dataset.name, dataset.mend_copies)
    return found, told


def _count(dataset: Dataset, findings: Sequence[Finding], split: Split) -> dict[str, str]:
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
    shares = {key: f"{100 * value / total:.1f} %" for key, value in named.items()}
    drawn = list(enumerate(dataset.mask_classes))[1:]
    holders = {
        f"masks with {name}": str(sum(bool(mask[number]) for mask in masks))
        for number, name in drawn
    }
    return {**shares, **holders}
