"""The photos of a folder, the least certain first, and masks that are corrected and saved."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np
from PIL import Image

from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.decode import read_image
from auxseg.errors import DataError, UsageError
from auxseg.palette import mask_picture
from auxseg.runs.files import replacing, write_text
from auxseg.serve.answers import Served, coarse, uncertainty
from auxseg.types import IGNORE_INDEX

#: Where masks go that are replaced, beside ``masks/``.
BEFORE = "masks-before"
#: Photos are looked at in this many pixels along the longer side to tell how certain a network is.
LOOK = 512


@dataclass(frozen=True)
class Photo:
    """One of the folder's photos."""

    path: Path
    mask: Path


class Gallery:
    """The photos of a folder in the folder layout (or of a folder of photos alone).

    Args:
        root: the folder.
        classes: names of the network's classes, which a mask that is saved may hold.
        ignore_index: the value of the folder's masks that means not labelled.

    Raises:
        UsageError: the folder's classes are not the network's.
        DataError: it holds no photo, or something in it is broken.
    """

    def __init__(
        self, root: Path, classes: tuple[str, ...], ignore_index: int | None = None
    ) -> None:
        self.root, self.classes = root, classes
        folder = Folder(root, ignore_index=ignore_index)
        self._format = folder.mask_format
        self._check(folder)
        photos = [folder.photo(number) for number in range(len(folder))]
        self.photos = tuple(Photo(path, root / "masks" / f"{path.stem}.png") for path in photos)
        #: Photo's number → how uncertain the network is of it, 0 to 1.
        self.uncertain: dict[int, float] = {}

    def _check(self, folder: Folder) -> None:
        if not folder.mask_classes or folder.mask_classes == self.classes:
            return
        # Without names the folder has "class 0" …, as far as its masks go.
        unnamed = all(name == f"class {n}" for n, name in enumerate(folder.mask_classes))
        if not (unnamed and len(folder.mask_classes) <= len(self.classes)):
            raise UsageError(
                f"--photos: the classes of {self.root} ({', '.join(folder.mask_classes)}) are not "
                f"those of the network ({', '.join(self.classes)})"
            )

    @property
    def ignores(self) -> bool:
        """Whether pixels may be marked as not labelled."""
        return self._format.ignore_index is not None

    def __len__(self) -> int:
        return len(self.photos)

    def listed(self) -> list[dict[str, Any]]:
        """Every photo: number, name, whether it has a mask, how uncertain its prediction is."""
        return [
            {
                "number": number,
                "name": photo.path.name,
                "has_mask": photo.mask.is_file(),
                "uncertainty": self.uncertain.get(number),
            }
            for number, photo in enumerate(self.photos)
        ]

    def unscored(self) -> Iterator[int]:
        """Numbers of photos without a mask whose uncertainty is not known yet."""
        for number, photo in enumerate(self.photos):
            if number not in self.uncertain and not photo.mask.is_file():
                yield number

    def score(self, number: int, served: Served) -> None:
        """Finds out how uncertain a network is of a photo; one that cannot be read is certain."""
        try:
            photo = self.read(number)
        except DataError:
            self.uncertain[number] = 0.0
            return
        scale = LOOK / max(photo.shape[:2])
        if scale < 1:
            photo = cv2.resize(photo, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        found = served.predictor.predict(photo, probabilities=True)
        self.uncertain[number] = uncertainty(coarse(found))

    def read(self, number: int) -> np.ndarray:
        """A photo, uint8 (H, W, 3), upright."""
        return read_image(self.photos[number].path)

    def mask(self, number: int) -> np.ndarray | None:
        """Its mask, uint8 (H, W), class numbers and 255; None without one."""
        path = self.photos[number].mask
        return self._format.read(path) if path.is_file() else None

    def save(self, number: int, mask: np.ndarray) -> Path | None:
        """Writes a corrected mask, whole or not at all; one that was there is kept beside.

        Args:
            mask: uint8 (H, W), class numbers and 255 where it is not labelled.

        Returns:
            where the earlier one is kept; None where there was none.

        Raises:
            DataError: a value is no class's, or the folder cannot be written.
        """
        allowed = set(range(len(self.classes)))
        if self.ignores:
            allowed.add(IGNORE_INDEX)
        present = np.flatnonzero(np.bincount(mask.ravel(), minlength=256))
        strange = [one for one in present.tolist() if one not in allowed]
        if strange:
            more = f", and {IGNORE_INDEX} where it is not labelled" if self.ignores else ""
            raise DataError(
                f"mask: holds {strange[0]}; allowed are 0 to {len(self.classes) - 1}{more}"
            )
        path = self.photos[number].mask
        kept = self._keep(path)
        picture = self._as_in_files(mask)
        with replacing(path) as temporary:
            picture.save(temporary, format="png")
        self._name_classes()
        return kept

    def _as_in_files(self, mask: np.ndarray) -> Image.Image:
        """A mask in the way in which this folder's masks are written."""
        known = self._format
        if known.foreground_255:
            return Image.fromarray((255 * (mask == 1)).astype(np.uint8))
        if known.ignore_index is not None:
            mask = np.where(mask == IGNORE_INDEX, known.ignore_index, mask).astype(np.uint8)
        if known.palette is None:
            return mask_picture(mask)
        colours = np.zeros((256, 3), np.uint8)
        for colour, value in known.palette.items():
            colours[value] = colour
        return Image.fromarray(colours[mask])

    def _keep(self, path: Path) -> Path | None:
        """A copy of a mask that is about to be replaced, under a number of its own."""
        if not path.is_file():
            return None
        folder, number = self.root / BEFORE, 1
        folder.mkdir(exist_ok=True)
        while (kept := folder / f"{path.stem}-{number}.png").exists():
            number += 1
        with replacing(kept) as temporary:
            shutil.copyfile(path, temporary)
        return kept

    def _name_classes(self) -> None:
        """A folder whose classes have no names yet gets the network's, with its first mask."""
        file = self.root / "classes.txt"
        if not file.exists() and not (self.root / "palette.txt").exists():
            write_text(file, "".join(f"{name}\n" for name in self.classes))
