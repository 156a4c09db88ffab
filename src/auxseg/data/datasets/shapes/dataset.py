"""``shapes``: the data set that the program draws itself, so that everything runs without files."""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

from auxseg.data.base import PARTS, Dataset, Split
from auxseg.data.datasets.shapes.animals import SPECIES
from auxseg.data.datasets.shapes.drawing import draw
from auxseg.data.datasets.shapes.textures import COATS
from auxseg.data.options import checked_split, one_of
from auxseg.errors import UsageError
from auxseg.types import Sample

_NATIVE_SIZE = 256
KINDS = tuple(f"{coat} {species}" for species in SPECIES for coat in COATS)


class Shapes(Dataset):
    """Drawings of cats and dogs with mask, class and head box: no files, no network.

    Picture i of a part depends on ``seed``, the part and i alone: a larger ``train`` adds pictures
    and changes none, neither in train nor in val or test.

    Args:
        root: must be None: there is no folder.
        split: ``generated`` or None.
        split_seed: without effect: pictures are drawn independently, so there is nothing to deal.
        train: number of training images, at least 1; likewise ``val`` and ``test``.
        seed: which pictures are drawn, at least 0.
        label: the images' class: ``species`` (2) or ``kind``, species and coat together (8).

    Raises:
        UsageError: an option has a value that is not allowed.
    """

    NAME: ClassVar[str] = "shapes"
    SPLITS: ClassVar[tuple[str, ...]] = ("generated",)
    IMAGE_SIZE: ClassVar[int] = 64

    mask_classes = ("background", "animal")

    def __init__(
        self,
        root: Path | None = None,
        split: str | None = None,
        split_seed: int = 0,
        *,
        train: int = 1000,
        val: int = 100,
        test: int = 200,
        seed: int = 0,
        label: str = "species",
    ) -> None:
        if root is not None:
            raise UsageError(f"shapes is drawn, it takes no --root (got {root})")
        checked_split(split, self.SPLITS)
        self._counts = (train, val, test)
        for key, count in zip(PARTS, self._counts, strict=True):
            if count < 1:
                raise UsageError(f"--data.options.{key} {count}: must be at least 1")
        if seed < 0:
            raise UsageError(f"--data.options.seed {seed}: must be at least 0")
        self._seed = seed
        one_of("--data.options.label", label, ("species", "kind"))
        self._label = label
        self.label_classes = SPECIES if label == "species" else KINDS

    def __len__(self) -> int:
        return sum(self._counts)

    def name(self, index: int) -> str:
        """Such as ``train-00012.png``, a name of no file."""
        part, position = self._locate(index)
        return f"{PARTS[part]}-{position:05d}.png"

    def sources(self, index: int) -> tuple[Path, ...]:
        """No files: :meth:`options_key` says all that a picture depends on."""
        return ()

    def read(self, index: int, size: int | None = None) -> Sample:
        """Draws one image at ``size``; None means 256. The box is missing on few images."""
        part, position = self._locate(index)
        drawing = draw(self._seed, position, size or _NATIVE_SIZE, part=part)
        label = drawing.species
        if self._label == "kind":
            label = drawing.species * len(COATS) + drawing.coat
        return Sample(drawing.image, drawing.mask, label, drawing.box)

    def split(self) -> Split:
        """The first ``train`` numbers, then those of val, then those of test."""
        train, val, _ = self._counts
        return Split(
            train=tuple(range(train)),
            val=tuple(range(train, train + val)),
            test=tuple(range(train + val, len(self))),
        )

    def options_key(self) -> str:
        train, val, test = self._counts
        return f"seed={self._seed},train={train},val={val},test={test},label={self._label}"

    def _locate(self, index: int) -> tuple[int, int]:
        """The part that an image belongs to, and its number in that part."""
        if not 0 <= index < len(self):
            raise IndexError(f"shapes has images 0 to {len(self) - 1}, not {index}")
        train, val, _ = self._counts
        if index < train:
            return 0, index
        if index < train + val:
            return 1, index - train
        return 2, index - train - val
