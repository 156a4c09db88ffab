"""A folder of further images without labels, for the self-supervised tasks (``--unlabelled``)."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from auxseg.data.base import Dataset, Split
from auxseg.data.decode import read_image, stretch
from auxseg.data.files import IMAGE_ENDINGS, is_image, left_out, list_files
from auxseg.errors import DataError
from auxseg.types import Sample


class Unlabelled(Dataset):
    """Image files directly in a folder, or in its ``images/``; masks and tables are not read.

    Not among :data:`auxseg.data.DATASETS`: nothing could be learned or measured on it alone.

    Raises:
        DataError: no such folder, or it holds no image.
    """

    NAME: ClassVar[str] = "unlabelled"
    SPLITS: ClassVar[tuple[str, ...]] = ("all",)

    mask_classes = ()
    label_classes = ()

    def __init__(self, root: Path) -> None:
        if not root.is_dir():
            raise DataError(f"{root}: no such folder (--unlabelled takes a folder of images)")
        folder = root / "images" if (root / "images").is_dir() else root
        self._images = [path for path in list_files(folder) if is_image(path)]
        if not self._images:
            raise DataError(f"{folder}: holds no image ({', '.join(IMAGE_ENDINGS)})")
        self.notes = left_out(folder)

    def __len__(self) -> int:
        return len(self._images)

    def name(self, index: int) -> str:
        return self._images[index].name

    def sources(self, index: int) -> tuple[Path, ...]:
        return (self._images[index],)

    def read(self, index: int, size: int | None = None) -> Sample:
        sample = Sample(read_image(self._images[index]))
        return sample if size is None else stretch(sample, size)

    def split(self) -> Split:
        """Every image is for training."""
        return Split(train=tuple(range(len(self))), val=(), test=())
