"""Oxford-IIIT Pet (Parkhi et al. 2012): cats and dogs with trimap, breed and, half of them, box."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar
from xml.etree.ElementTree import ParseError

import numpy as np
from defusedxml import DefusedXmlException
from defusedxml.ElementTree import parse

from auxseg.data.base import Dataset, Split
from auxseg.data.boxes import relative_box
from auxseg.data.datasets.oxford_pet.download import default_root, download_oxford_pet
from auxseg.data.datasets.oxford_pet.lists import Entry, read_list, read_part
from auxseg.data.decode import read_image, read_mask, stretch
from auxseg.data.options import checked_seed, checked_split, one_of
from auxseg.data.problems import DataProblemsError
from auxseg.data.splits import cut, stratified
from auxseg.errors import DataError
from auxseg.types import IGNORE_INDEX, Sample

#: What the layout consists of, relative to the root.
LAYOUT = (
    "images",
    "annotations/list.txt",
    "annotations/trainval.txt",
    "annotations/test.txt",
    "annotations/trimaps",
    "annotations/xmls",
)

BACKGROUND, PET = 0, 1
#: Trimap values on disk: 1 pet, 2 background, 3 border.
_BORDER = {"pet": PET, "background": BACKGROUND, "ignore": IGNORE_INDEX}


class OxfordPet(Dataset):
    """Oxford-IIIT Pet in its official layout.

    The mask is background or pet; the class the species (cat, dog) or the breed; the box the head.

    Args:
        root: the folder that holds ``images`` and ``annotations``; None downloads the official
            archives into :func:`~auxseg.data.datasets.oxford_pet.download.default_root` (0.8 GB).
        split: ``official`` (trainval.txt and test.txt; a fifth of trainval, stratified by breed,
            validates), ``paper`` (the images with a box, by file name in byte order, 60/20/20:
            cats come first, so validation and test are dogs), or ``stratified`` (all images,
            60/20/20 by breed).
        split_seed: seeds ``stratified`` and the validation part of ``official``.
        classes: ``species`` or ``breed``.
        border: what the trimap's border counts as: ``pet``, ``background`` or ``ignore``.

    Raises:
        UsageError: an option's value is not one of those.
        DataError: part of the layout is missing, or a list has a broken line.
    """

    NAME: ClassVar[str] = "oxford-pet"
    SPLITS: ClassVar[tuple[str, ...]] = ("official", "paper", "stratified")
    IMAGE_SIZE: ClassVar[int] = 256
    LAYOUT: ClassVar[str] = "images/ and annotations/list.txt"

    def __init__(
        self,
        root: Path | str | None = None,
        split: str | None = None,
        split_seed: int = 0,
        *,
        classes: str = "species",
        border: str = "pet",
    ) -> None:
        self._split = checked_split(split, self.SPLITS)
        self._seed = checked_seed(split_seed)
        self._classes = one_of("classes", classes, ("species", "breed"))
        self._border = one_of("border", border, tuple(_BORDER))
        self.root = download_oxford_pet(default_root()) if root is None else Path(root)
        _check_layout(self.root)
        entries, problems = read_list(self._annotation("list.txt"))
        self._official, part_problems = self._read_parts({entry.name for entry in entries})
        self._entries = self._with_image(entries)
        self._labels = self._number_classes()
        self.mask_classes = ("background", "pet")
        problems += part_problems
        if problems:
            raise DataProblemsError(problems, partial=self)

    @classmethod
    def recognises(cls, root: Path) -> bool:
        return (root / "annotations" / "list.txt").is_file()

    def __len__(self) -> int:
        return len(self._entries)

    def name(self, index: int) -> str:
        return f"{self._entries[index].name}.jpg"

    def sources(self, index: int) -> tuple[Path, ...]:
        files = (self._image(index), self._trimap(index), self._xml(index))
        # list.txt gives the class, and which of the breeds there are.
        return (*(file for file in files if file.exists()), self._annotation("list.txt"))

    def read(self, index: int, size: int | None = None) -> Sample:
        image = read_image(self._image(index))
        sample = Sample(
            image=image,
            mask=self._read_mask(index, image.shape[:2]),
            label=self._labels[index],
            box=self._read_box(index, image.shape[:2]),
        )
        return sample if size is None else stretch(sample, size)

    def split(self) -> Split:
        breeds = [entry.breed_id for entry in self._entries]
        if self._split == "stratified":
            return Split(*stratified(breeds, self._seed))
        if self._split == "paper":
            boxed = [index for index in range(len(self)) if self._xml(index).exists()]
            return Split(*cut(sorted(boxed, key=lambda index: self.name(index).encode())))
        trainval, test = (
            [index for index, entry in enumerate(self._entries) if entry.name in names]
            for names in self._official
        )
        train, val = stratified([breeds[index] for index in trainval], self._seed, (0.8, 0.2))
        return Split(
            train=tuple(trainval[i] for i in train),
            val=tuple(trainval[i] for i in val),
            test=tuple(test),
        )

    def options_key(self) -> str:
        return f"classes={self._classes},border={self._border}"

    def _annotation(self, *parts: str) -> Path:
        return self.root.joinpath("annotations", *parts)

    def _image(self, index: int) -> Path:
        return self.root / "images" / self.name(index)

    def _trimap(self, index: int) -> Path:
        return self._annotation("trimaps", f"{self._entries[index].name}.png")

    def _xml(self, index: int) -> Path:
        return self._annotation("xmls", f"{self._entries[index].name}.xml")

    def _read_parts(self, known: set[str]) -> tuple[tuple[set[str], set[str]], list[str]]:
        trainval, problems = read_part(self._annotation("trainval.txt"), known)
        test, more = read_part(self._annotation("test.txt"), known)
        both = sorted(set(trainval) & set(test))
        leaks = [f"{self._annotation('test.txt')}: {name} is in trainval.txt too" for name in both]
        return (set(trainval), set(test)), [*problems, *more, *leaks]

    def _with_image(self, entries: list[Entry]) -> list[Entry]:
        """The entries whose image is there; notes how many are not."""
        missing = [e.name for e in entries if not (self.root / "images" / f"{e.name}.jpg").exists()]
        if len(missing) == len(entries):
            raise DataError(f"{self.root / 'images'}: holds none of the images of list.txt")
        if missing:
            self.notes = (
                f"{len(missing)} of {len(entries)} images of list.txt are not there and left out "
                f"(first: {missing[0]}.jpg)",
            )
        gone = set(missing)
        return [entry for entry in entries if entry.name not in gone]

    def _number_classes(self) -> list[int]:
        if self._classes == "species":
            self.label_classes = ("cat", "dog")
            return [entry.species for entry in self._entries]
        breeds = {entry.breed_id: entry.breed for entry in reversed(self._entries)}
        number = {breed_id: index for index, breed_id in enumerate(sorted(breeds))}
        self.label_classes = tuple(breeds[breed_id] for breed_id in number)
        return [number[entry.breed_id] for entry in self._entries]

    def _read_mask(self, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
        path = self._trimap(index)
        if not path.exists():
            return None
        trimap = read_mask(path)
        if trimap.shape != shape:
            raise DataError(
                f"{path}: {trimap.shape[1]} × {trimap.shape[0]} pixels, but its image has "
                f"{shape[1]} × {shape[0]}"
            )
        # Index 0 is there for the lookup only: min() has ruled it out.
        lookup = np.array([BACKGROUND, PET, BACKGROUND, _BORDER[self._border]], dtype=np.uint8)
        if trimap.min() < 1 or trimap.max() > 3:
            wrong = trimap[(trimap < 1) | (trimap > 3)].flat[0]
            raise DataError(f"{path}: value {wrong}; a trimap holds 1 pet, 2 background, 3 border")
        return np.asarray(lookup[trimap])

    def _read_box(self, index: int, shape: tuple[int, ...]) -> np.ndarray | None:
        path = self._xml(index)
        if not path.exists():
            return None
        return relative_box(_xml_box(path), width=shape[1], height=shape[0], where=str(path))


def _xml_box(path: Path) -> tuple[float, ...]:
    """xmin, ymin, xmax, ymax in pixels: the first object's bndbox (the official files have one)."""
    try:
        box = parse(path, forbid_dtd=True).getroot().find("object/bndbox")
        return tuple(float(box.findtext(k, "")) for k in ("xmin", "ymin", "xmax", "ymax"))
    except DefusedXmlException as error:
        raise DataError(f"{path}: holds XML that no annotation needs ({error})") from error
    except (ParseError, OSError) as error:
        raise DataError(f"{path}: cannot be read ({error})") from error
    except (AttributeError, ValueError) as error:
        raise DataError(
            f"{path}: object/bndbox needs the numbers xmin, ymin, xmax, ymax"
        ) from error


def _check_layout(root: Path) -> None:
    if not root.is_dir():
        raise DataError(f"{root}: no such folder (root of data set {OxfordPet.NAME})")
    missing = [part for part in LAYOUT if not (root / part).exists()]
    if missing:
        raise DataError(
            f"{root}: not the official layout of Oxford-IIIT Pet, {', '.join(missing)} missing"
        )
