"""The photos of a folder, the least certain first, and masks that are corrected and saved."""

from __future__ import annotations

import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from threading import Lock
from typing import Any

import cv2
import numpy as np
from PIL import Image

from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.datasets.folder.masks import MaskFormat, read_classes, read_palette
from auxseg.data.decode import read_image
from auxseg.errors import DataError, UsageError, first_line
from auxseg.palette import mask_picture
from auxseg.runs.files import replacing, write_text
from auxseg.serve.answers import Served, coarse, uncertainty
from auxseg.serve.uploads import TooLargeError
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
        pixels: how many a photo may have.

    Raises:
        UsageError: the folder's classes are not the network's.
        DataError: it holds no photo, or something in it is broken.
    """

    def __init__(
        self,
        root: Path,
        classes: tuple[str, ...],
        ignore_index: int | None = None,
        pixels: int = 60_000_000,
    ) -> None:
        self.root, self.classes, self.pixels = root, classes, pixels
        folder = Folder(root, ignore_index=ignore_index)
        self._format = self._format_of(folder, ignore_index)
        photos = [folder.photo(number) for number in range(len(folder))]
        self.photos = tuple(Photo(path, root / "masks" / f"{path.stem}.png") for path in photos)
        self._look = _look_of([one.mask for one in self.photos if one.mask.is_file()])
        self._saving = Lock()
        #: Photo's number → how uncertain the network is of it, 0 to 1; None where it cannot tell.
        self.uncertain: dict[int, float | None] = {}

    def _format_of(self, folder: Folder, ignore_index: int | None) -> MaskFormat:
        """How masks are written here, also where there is none yet."""
        named, palette = None, None
        if (self.root / "palette.txt").exists():
            named, palette = read_palette(self.root / "palette.txt")
        elif (self.root / "classes.txt").exists():
            named = read_classes(self.root / "classes.txt")
        if named is not None and ignore_index == len(named) - 1:
            named = named[:-1]  # a last class that is ignored is none of the network's
        found = folder.mask_classes if named is None else named
        # Without names the folder has "class 0" …, as far as its masks go.
        unnamed = named is None and all(name == f"class {n}" for n, name in enumerate(found))
        few = unnamed and len(found) <= len(self.classes)
        if found != self.classes and not few:
            raise UsageError(
                f"--photos: the classes of {self.root} ({', '.join(found)}) are not those of the "
                f"network ({', '.join(self.classes)})"
            )
        binary = folder.mask_format.foreground_255
        return MaskFormat(self.classes, ignore_index, palette, foreground_255=binary)

    @property
    def ignores(self) -> bool:
        """Whether pixels may be marked as not labelled."""
        return self._format.ignore_index is not None

    def __len__(self) -> int:
        return len(self.photos)

    def listed(self) -> list[dict[str, Any]]:
        """Every photo: number, name, whether it has a mask, and how uncertain its prediction is:
        null as long as that is not known, −1 where it cannot be found out."""
        return [
            {
                "number": number,
                "name": photo.path.name,
                "has_mask": photo.mask.is_file(),
                "uncertainty": _told(self.uncertain.get(number, ...)),
            }
            for number, photo in enumerate(self.photos)
        ]

    def unscored(self) -> Iterator[int]:
        """Numbers of photos without a mask whose uncertainty is not known yet."""
        for number, photo in enumerate(self.photos):
            if number not in self.uncertain and not photo.mask.is_file():
                yield number

    def score(self, number: int, served: Served) -> None:
        """Finds out how uncertain a network is of a photo; of one that fails, that it fails."""
        score = None
        try:
            photo = self.read(number)
            height, width = photo.shape[:2]
            scale = LOOK / max(height, width)
            if scale < 1:
                size = (max(1, round(scale * width)), max(1, round(scale * height)))
                photo = cv2.resize(photo, size, interpolation=cv2.INTER_AREA)
            found = served.predictor.predict(photo, probabilities=True)
            score = uncertainty(coarse(found))
        except Exception as error:  # one photo is not to end the ranking of the others
            print(f"{self.photos[number].path}: {first_line(error)}", file=sys.stderr, flush=True)
        # Only now: a list that is asked for meanwhile says that it is not known yet.
        self.uncertain[number] = score

    def read(self, number: int) -> np.ndarray:
        """A photo, uint8 (H, W, 3), upright.

        Raises:
            DataError: it cannot be read, or is no longer there.
            TooLargeError: it has more pixels than allowed.
        """
        path = self.photos[number].path
        try:
            with Image.open(path) as head:
                pixels = head.width * head.height
        except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
            pixels = 0  # reading it says why
        if pixels > self.pixels:
            raise TooLargeError(f"{path}: has more than {self.pixels / 1e6:.0f} million pixels")
        return read_image(path)

    def mask(self, number: int) -> np.ndarray | None:
        """Its mask, uint8 (H, W), class numbers and 255; None without one.

        Raises:
            DataError: it cannot be read, or its size is not the photo's.
        """
        path = self.photos[number].mask
        if not path.is_file():
            return None
        mask, photo = self._format.read(path), self.read(number)
        if mask.shape != photo.shape[:2]:
            height, width = photo.shape[:2]
            raise DataError(
                f"{path}: {mask.shape[1]} × {mask.shape[0]} pixels, but its photo has "
                f"{width} × {height}"
            )
        return mask

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
        path, picture = self.photos[number].mask, self._as_in_files(mask)
        try:
            with self._saving:  # requests come in several threads
                kept = self._keep(path)
                with replacing(path) as temporary:
                    picture.save(temporary, format="png")
                self._name_classes()
        except OSError as error:
            raise DataError(f"{path}: cannot be written ({error.strerror or error})") from None
        return kept

    def _as_in_files(self, mask: np.ndarray) -> Image.Image:
        """A mask in the way in which this folder's masks are written."""
        known = self._format
        if known.foreground_255:
            return Image.fromarray((255 * (mask == 1)).astype(np.uint8))
        if known.ignore_index is not None:
            mask = np.where(mask == IGNORE_INDEX, known.ignore_index, mask).astype(np.uint8)
        if known.palette is not None:
            colours = np.zeros((256, 3), np.uint8)
            for colour, value in known.palette.items():
                colours[value] = colour
            return Image.fromarray(colours[mask])
        if self._look is None:
            return mask_picture(mask)
        picture = Image.fromarray(mask)
        if self._look:
            picture.putpalette(self._look)
        return picture

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


def _told(known: Any) -> float | None:
    return None if known is ... else -1.0 if known is None else known


def _look_of(masks: list[Path]) -> list[int] | None:
    """The palette of masks that are there, so that further ones look like them: empty where they
    have none; None where there is no mask."""
    look: list[int] | None = None
    for path in masks:
        try:
            with Image.open(path) as picture:
                found = picture.getpalette() if picture.mode == "P" else None
        except (OSError, ValueError, SyntaxError):
            continue
        if found is not None:
            return found
        look = []
    return look
