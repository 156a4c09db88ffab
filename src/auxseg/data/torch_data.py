"""Datasets of PyTorch → the folder layout, kept beside the caches."""

from __future__ import annotations

import csv
import hashlib
import operator
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Protocol

import numpy as np
import torch
from PIL import Image

from auxseg.data.base import PARTS
from auxseg.data.boxes import relative_box
from auxseg.data.building import beside, remove_leftovers, rename
from auxseg.data.datasets.folder.dataset import LABEL_CLASSES
from auxseg.data.decode import from_picture
from auxseg.data.given import as_photo
from auxseg.data.stored import cache_root
from auxseg.errors import DataError, UsageError
from auxseg.progress import tracked
from auxseg.types import IGNORE_INDEX

#: Columns of a box in labels.csv.
BOX = ("xmin", "ymin", "xmax", "ymax")
#: What an item may have, where it is a dictionary.
KEYS = ("image", "mask", "label", "box")


class MapStyle(Protocol):
    """A dataset as :class:`torch.utils.data.Dataset` has it: numbered from 0, with a length."""

    def __len__(self) -> int: ...

    def __getitem__(self, index: int, /) -> Any: ...


class Item(NamedTuple):
    """One checked item.

    Attributes:
        image: uint8 (H, W, 3).
        mask: uint8 (H, W); None without a mask.
        label: the class's name; empty without one.
        box: xyxy in pixels; None without a box.
    """

    image: np.ndarray
    mask: np.ndarray | None
    label: str
    box: tuple[float, ...] | None

    def digest(self) -> bytes:
        whole = hashlib.blake2b(digest_size=16)
        whole.update(repr((self.image.shape, self.label, self.box)).encode())
        whole.update(np.ascontiguousarray(self.image).data)
        whole.update(b"" if self.mask is None else np.ascontiguousarray(self.mask).data)
        return whole.digest()


@dataclass(frozen=True)
class TorchData:
    """Your map-style datasets, for ``auxseg.train(…, data=…)`` and ``auxseg.fit``.

    An item is ``(image, mask)`` or a dictionary with ``image`` and any of ``mask``, ``label`` and
    ``box``; what an image lacks is None or left out.

    ========  =====================================================================================
    image     uint8 (H, W, 3) or (H, W) as an array; a Pillow picture; a tensor (3, H, W) or
              (1, H, W), uint8, or floating point in [0, 1]
    mask      whole numbers (H, W), array, tensor or Pillow picture: class indices, and 255 where a
              pixel is not labelled
    label     the class of the whole image: an index into ``label_classes``
    box       xyxy in the image's pixels
    ========  =====================================================================================

    Images may be of different sizes. They are to come as they are: without random changes, which
    training makes by itself, and not normalised. A dataset that returns something else when it is
    read again is refused.

    Args:
        train: what is trained on.
        val: what the best epoch is chosen by; without it that is drawn from ``train``.
        test: what training never sees; only beside ``val``.
        mask_classes: names of the masks' classes, in the order of their indices.
        label_classes: names of the images' classes, likewise.
    """

    train: MapStyle
    val: MapStyle | None = None
    test: MapStyle | None = None
    mask_classes: Sequence[str] = ()
    label_classes: Sequence[str] = ()

    def __post_init__(self) -> None:
        if self.test is not None and self.val is None:
            raise UsageError("test: needs val as well; or leave both out, and they are drawn")
        for names in (self.mask_classes, self.label_classes):
            if isinstance(names, str) or len(set(names)) != len(names):
                raise UsageError(f"classes: {names!r} must be a list of names, each of them once")
            for name in names:
                if not isinstance(name, str) or name != name.strip() or not name.isprintable():
                    raise UsageError(f"classes: {name!r} is no name; names are words in one line")
            if "" in names:
                raise UsageError("classes: a name is empty")
        if len(self.mask_classes) < 2:
            raise UsageError(
                "mask_classes: name at least two classes, in the order of their indices"
            )

    @property
    def parts(self) -> dict[str, MapStyle]:
        """The datasets that were given, by their part."""
        named = zip(PARTS, (self.train, self.val, self.test), strict=True)
        return {part: dataset for part, dataset in named if dataset is not None}

    def folder(self, cache_dir: Path | None = None) -> Path:
        """Writes the folder layout below the folder of caches, unless it is there already.

        Every item is read once to tell what it is, and once more to write it.

        Raises:
            UsageError: an item is not what it has to be; names part, number and what is allowed.
            DataError: the folder cannot be written.
        """
        place = cache_root(cache_dir) / "torch"
        known = self._survey()
        done = place / self._digest(known)
        if done.exists():
            return done
        making = beside(done)
        try:
            place.mkdir(parents=True, exist_ok=True)
            remove_leftovers(place)
            self._write(making, known)
            rename(making, done)  # where another process was first, its folder is the same
        except OSError as error:
            raise DataError(
                f"{place}: the images cannot be kept there ({error.strerror or error}); set "
                "AUXSEG_CACHE to a writable folder with more room"
            ) from error
        finally:
            shutil.rmtree(making, ignore_errors=True)
        return done

    def _survey(self) -> dict[tuple[str, int], bytes]:
        """What tells each item from others, by part and number."""
        values: set[int] = set()
        known = {}
        for part, dataset in self.parts.items():
            if len(dataset) == 0:
                raise UsageError(f"{part}: the dataset is empty")
            for number in tracked(range(len(dataset)), f"reading {part} images", len(dataset)):
                item = self._item(part, number)
                known[part, number] = item.digest()
                if item.mask is not None:
                    values.update(np.unique(item.mask).tolist())
        if IGNORE_INDEX in values and values <= {0, IGNORE_INDEX}:
            raise UsageError(
                "mask: all masks hold 0 and 255 alone, and 255 is not labelled; give the "
                "foreground as 1 (mask // 255)"
            )
        return known

    def _digest(self, known: Mapping[tuple[str, int], bytes]) -> str:
        """16 hexadecimal digits that tell these data from others."""
        names = repr((tuple(self.mask_classes), tuple(self.label_classes), list(self.parts)))
        whole = hashlib.blake2b(names.encode(), digest_size=8)
        for (part, number), digest in known.items():
            whole.update(f"{part} {number} ".encode() + digest)
        return whole.hexdigest()

    def _write(self, out: Path, known: Mapping[tuple[str, int], bytes]) -> None:
        for kind in ("images", "masks"):
            (out / kind).mkdir(parents=True, exist_ok=True)
        rows = []
        for (part, number), digest in tracked(known.items(), "writing images", len(known)):
            item, name = self._item(part, number), f"{part}-{number:05d}.png"
            if item.digest() != digest:
                raise UsageError(
                    f"{part}[{number}]: returned two different results when read twice; leave "
                    "random changes out, training makes its own (--augmentation.…)"
                )
            # Level 1: half as small again is not worth five times the time.
            Image.fromarray(item.image).save(out / "images" / name, compress_level=1)
            if item.mask is not None:
                Image.fromarray(item.mask).save(out / "masks" / name, compress_level=1)
            box = ("",) * 4 if item.box is None else item.box
            rows.append([name, item.label, *box, part])
        self._write_tables(out, rows)

    def _write_tables(self, out: Path, rows: Sequence[Sequence[object]]) -> None:
        """The names of the classes, and labels.csv with the columns that say something."""
        names = "".join(f"{name}\n" for name in self.mask_classes)
        (out / "classes.txt").write_text(names, encoding="utf-8")
        if self.label_classes:
            labels = "".join(f"{name}\n" for name in self.label_classes)
            (out / LABEL_CLASSES).write_text(labels, encoding="utf-8")
        columns = list(zip(("image", "label", *BOX, "split"), *rows, strict=True))
        if self.val is None:
            columns = columns[:-1]
        kept = [column for column in columns if any(cell != "" for cell in column[1:])]
        with (out / "labels.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(zip(*kept, strict=True))

    def _item(self, part: str, number: int) -> Item:
        """One item, checked."""
        where = f"{part}[{number}]"
        given = self.parts[part][number]
        if not isinstance(given, Mapping):
            if not isinstance(given, Sequence) or len(given) != 2:
                raise UsageError(
                    f"{where}: is {type(given).__name__}; it must be (image, mask) or a dictionary "
                    f"with any of {', '.join(KEYS)}"
                )
            given = {"image": given[0], "mask": given[1]}
        unknown = sorted(set(given) - set(KEYS))
        if unknown or given.get("image") is None:
            problem = f"has an unknown {unknown[0]!r}" if unknown else "has no image"
            raise UsageError(f"{where}: {problem}; allowed are {', '.join(KEYS)}")
        image = _image(given["image"], where)
        mask, label, box = (given.get(key) for key in KEYS[1:])
        return Item(
            image,
            None if mask is None else self._mask(mask, image, where),
            "" if label is None else self._label(label, where),
            None if box is None else _box(box, image, where),
        )

    def _mask(self, given: Any, image: np.ndarray, where: str) -> np.ndarray:
        array = np.asarray(given.cpu() if isinstance(given, torch.Tensor) else given)
        if array.ndim == 3 and array.shape[0] == 1:
            array = array[0]
        height, width = image.shape[:2]
        if array.shape != (height, width):
            raise UsageError(
                f"{where}: mask has shape {array.shape}; its image is {(height, width)}"
            )
        if array.dtype.kind not in "iub":
            raise UsageError(f"{where}: mask is of type {array.dtype}; it takes whole numbers")
        known = (array >= 0) & (array < len(self.mask_classes)) | (array == IGNORE_INDEX)
        if not known.all():
            raise UsageError(
                f"{where}: mask holds {array[~known][0]}; allowed are 0 to "
                f"{len(self.mask_classes) - 1}, and {IGNORE_INDEX} where it is not labelled"
            )
        return array.astype(np.uint8)

    def _label(self, given: Any, where: str) -> str:
        last = len(self.label_classes) - 1
        if not self.label_classes:
            raise UsageError(f"{where}: has a label; name the images' classes in label_classes")
        try:
            number = operator.index(given)
        except TypeError:
            raise UsageError(f"{where}: label {given!r} is no whole number") from None
        if not 0 <= number <= last:
            raise UsageError(f"{where}: label {number} is not one of 0 to {last}")
        return self.label_classes[number]


def _image(given: Any, where: str) -> np.ndarray:
    """uint8 (H, W, 3)."""
    if isinstance(given, Image.Image):
        return from_picture(given)
    if isinstance(given, torch.Tensor):
        given = _channels_last(given.detach().cpu(), where)
    try:
        return as_photo(given)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from None


def _channels_last(tensor: torch.Tensor, where: str) -> np.ndarray:
    """A tensor as PyTorch holds images → an array as everybody else does."""
    if tensor.ndim != 3 or tensor.shape[0] not in (1, 3):
        shape = tuple(tensor.shape)
        raise UsageError(
            f"{where}: image is a tensor of shape {shape}; it must be (3, H, W) or (1, H, W)"
        )
    if tensor.is_floating_point():
        low, high = float(tensor.min()), float(tensor.max())
        if not (low >= 0 and high <= 1):
            raise UsageError(
                f"{where}: image holds {low:.3g} to {high:.3g}; floating-point tensors must be in "
                "[0, 1], not normalised"
            )
        tensor = (tensor * 255).round().to(torch.uint8)
    return tensor.permute(1, 2, 0).numpy()


def _box(given: Any, image: np.ndarray, where: str) -> tuple[float, ...]:
    try:
        box = tuple(float(value) for value in given)
    except (TypeError, ValueError):
        raise UsageError(f"{where}: box {given!r} is not xmin, ymin, xmax, ymax") from None
    if len(box) != 4:
        raise UsageError(f"{where}: box has {len(box)} values; it takes xmin, ymin, xmax, ymax")
    try:
        relative_box(box, image.shape[1], image.shape[0], where)
    except DataError as error:
        raise UsageError(str(error)) from None
    return box
