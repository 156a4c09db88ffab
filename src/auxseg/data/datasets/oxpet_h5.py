"""The preprocessed Oxford pets of the paper's course: four HDF5 files for each of three parts."""

from __future__ import annotations

import os
from bisect import bisect_right
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from auxseg.data.base import PARTS, Dataset, Split
from auxseg.data.boxes import relative_box
from auxseg.data.decode import stretch
from auxseg.data.options import checked_seed, checked_split, existing_root
from auxseg.errors import DataError, UsageError
from auxseg.types import Sample

KINDS = ("images", "masks", "bboxes", "binary")

#: Images of a part that are looked at to tell floats of 0–1 from floats of 0–255.
_PROBED = 8


@dataclass(frozen=True)
class _Part:
    """One part's files, checked.

    Attributes:
        length: N.
        scale: what brings its images to 0–255.
    """

    name: str
    files: dict[str, Path]
    length: int
    scale: float


class OxpetH5(Dataset):
    """``{train,val,test}/{images,masks,bboxes,binary}.h5``, each file with one array.

    Images (N, H, W, 3) are uint8 or floats of 0–1 or 0–255; masks (N, H, W) or (N, H, W, 1) are
    0 background, 1 pet; bboxes (N, 4) are xyxy in pixels, a row of NaN where there is none;
    binary (N,) or (N, 1) is 0 cat, 1 dog. Needs the extra ``auxseg[h5]``.

    Args:
        root: the folder with ``train``, ``val`` and ``test``.
        split: ``files``: the three folders.
        split_seed: nothing is drawn by chance here.

    Raises:
        UsageError: no root, or h5py is not installed.
        DataError: a file is missing, is not HDF5, or does not fit the others; names the file.
    """

    NAME: ClassVar[str] = "oxpet-h5"
    SPLITS: ClassVar[tuple[str, ...]] = ("files",)
    IMAGE_SIZE: ClassVar[int] = 256
    LAYOUT: ClassVar[str] = f"{{{','.join(PARTS)}}}/{{{','.join(KINDS)}}}.h5"

    def __init__(
        self, root: Path | str | None = None, split: str | None = None, split_seed: int = 0
    ) -> None:
        checked_split(split, self.SPLITS)
        checked_seed(split_seed)
        _h5py()
        self.root = existing_root(self.NAME, root)
        self._arrays: dict[tuple[int, Path], Any] = {}
        self._parts = [self._check_part(name) for name in PARTS]
        self._starts = [0, *accumulate(part.length for part in self._parts)]
        self.mask_classes = ("background", "pet")
        self.label_classes = ("cat", "dog")

    def __getstate__(self) -> dict[str, Any]:
        # Open HDF5 files do not travel to other processes.
        return {**self.__dict__, "_arrays": {}}

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return any((root / part / f"{kind}.h5").is_file() for part in PARTS for kind in KINDS)

    def __len__(self) -> int:
        return self._starts[-1]

    def name(self, index: int) -> str:
        part, row = self._locate(index)
        return f"{part.name}-{row:05d}"

    def sources(self, index: int) -> tuple[Path, ...]:
        part, _ = self._locate(index)
        return tuple(part.files.values())

    def read(self, index: int, size: int | None = None) -> Sample:
        part, row = self._locate(index)
        values = {kind: np.asarray(self._array(file)[row]) for kind, file in part.files.items()}
        image = np.clip(np.rint(values["images"] * part.scale), 0, 255).astype(np.uint8)
        sample = Sample(
            image=image,
            mask=_zero_or_one(values["masks"], part.files["masks"], row).reshape(image.shape[:2]),
            label=int(_zero_or_one(values["binary"], part.files["binary"], row).item()),
            box=_box(values["bboxes"], image.shape, part.files["bboxes"], row),
        )
        return sample if size is None else stretch(sample, size)

    def split(self) -> Split:
        train, val, test = (
            tuple(range(start, start + part.length))
            for start, part in zip(self._starts[:-1], self._parts, strict=True)
        )
        return Split(train, val, test)

    def _locate(self, index: int) -> tuple[_Part, int]:
        """The part that holds image ``index``, and its row there."""
        if not 0 <= index < len(self):
            raise IndexError(f"image {index} of {len(self)}")
        number = bisect_right(self._starts, index) - 1
        return self._parts[number], index - self._starts[number]

    def _array(self, file: Path) -> Any:
        """The file's one array, opened once in every process: a fork must not share the handle."""
        key = (os.getpid(), file)
        if key not in self._arrays:
            self._arrays[key] = _open(file)
        return self._arrays[key]

    def _check_part(self, name: str) -> _Part:
        files = {kind: self.root / name / f"{kind}.h5" for kind in KINDS}
        shapes = {kind: tuple(self._array(file).shape) for kind, file in files.items()}
        images = shapes["images"]
        if len(images) != 4 or images[3] != 3:
            raise DataError(f"{files['images']}: shape {images}; (N, H, W, 3) is needed")
        length, height, width, _ = images
        allowed = {
            "masks": [(length, height, width), (length, height, width, 1)],
            "bboxes": [(length, 4)],
            "binary": [(length,), (length, 1)],
        }
        for kind, fitting in allowed.items():
            if shapes[kind] not in fitting:
                needed = " or ".join(map(str, fitting))
                raise DataError(
                    f"{files[kind]}: shape {shapes[kind]}; {needed} fits images.h5 beside it"
                )
        return _Part(name, files, length, _scale(self._array(files["images"])))


def _h5py() -> Any:
    """The optional package, imported where it is needed only."""
    try:
        import h5py
    except ImportError as error:
        raise UsageError(f"data set {OxpetH5.NAME} needs h5py: pip install auxseg[h5]") from error
    return h5py


def _open(file: Path) -> Any:
    h5py = _h5py()
    if not file.is_file():
        raise DataError(
            f"{file}: no such file ({OxpetH5.NAME} has {', '.join(KINDS)} in each part)"
        )
    try:
        archive = h5py.File(file, "r")
    except OSError as error:
        raise DataError(f"{file}: not a readable HDF5 file") from error
    keys = list(archive)
    if len(keys) != 1 or not isinstance(archive[keys[0]], h5py.Dataset):
        raise DataError(f"{file}: holds {', '.join(keys) or 'nothing'}; one array is needed")
    return archive[keys[0]]


def _scale(images: Any) -> float:
    """255 for floats of 0–1, 1 for what runs to 255 already."""
    if np.issubdtype(images.dtype, np.integer):
        return 1.0
    probe = images[:_PROBED]
    return 255.0 if probe.size and float(probe.max()) <= 1.0 else 1.0


def _zero_or_one(values: np.ndarray, file: Path, row: int) -> np.ndarray:
    wrong = values[(values != 0) & (values != 1)]
    if wrong.size:
        raise DataError(f"{file} row {row}: value {wrong.flat[0]}; 0 and 1 are allowed")
    return values.astype(np.uint8)


def _box(pixels: np.ndarray, shape: tuple[int, ...], file: Path, row: int) -> np.ndarray | None:
    if np.isnan(pixels).all():
        return None
    return relative_box(pixels.tolist(), width=shape[1], height=shape[0], where=f"{file} row {row}")
