"""Datasets of PyTorch become a folder bit by bit; what does not fit is one line."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch.utils.data import TensorDataset

from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.torch_data import MapStyle, TorchData
from auxseg.errors import UsageError

DRAW = np.random.default_rng(0)
PHOTOS = [DRAW.integers(0, 256, (20 + n, 30, 3), dtype=np.uint8) for n in range(6)]
MASKS = [DRAW.integers(0, 3, photo.shape[:2]) for photo in PHOTOS]
CLASSES = ("background", "cat", "dog")


class Items(Sequence[Any]):
    """A list that may be told apart from a tuple of two."""

    def __init__(self, items: Sequence[Any]) -> None:
        self.items = list(items)

    def __len__(self) -> int:
        return len(self.items)

    def __getitem__(self, index: Any) -> Any:
        return self.items[index]


def pairs(first: int, last: int) -> MapStyle:
    return Items([(PHOTOS[n], MASKS[n]) for n in range(first, last)])


def test_arrays_come_back_bit_by_bit(tmp_path: Path) -> None:
    data = TorchData(pairs(0, 3), pairs(3, 5), pairs(5, 6), mask_classes=CLASSES)
    folder = Folder(data.folder(tmp_path))
    assert folder.mask_classes == CLASSES
    assert [len(part) for part in (folder.split().train, folder.split().val)] == [3, 2]
    names = [folder.name(n) for n in range(6)]
    given = ["train-00000.png", "train-00001.png", "train-00002.png"]
    given += ["val-00000.png", "val-00001.png", "test-00000.png"]
    assert sorted(names) == sorted(given)
    for name, photo, mask in zip(given, PHOTOS, MASKS, strict=True):
        sample = folder.read(names.index(name))
        np.testing.assert_array_equal(sample.image, photo)
        np.testing.assert_array_equal(sample.mask, mask)


@pytest.mark.parametrize(
    ("image", "mask"),
    [
        (torch.from_numpy(PHOTOS[0]).permute(2, 0, 1), torch.from_numpy(MASKS[0])),
        (torch.from_numpy(PHOTOS[0]).permute(2, 0, 1) / 255, torch.from_numpy(MASKS[0])[None]),
        (torch.from_numpy(PHOTOS[0]).permute(2, 0, 1).double() / 255, MASKS[0].astype(np.int8)),
        (Image.fromarray(PHOTOS[0]), Image.fromarray(MASKS[0].astype(np.uint8))),
    ],
    ids=["uint8", "float32", "float64", "pillow"],
)
def test_images_in_every_form(image: Any, mask: Any, tmp_path: Path) -> None:
    data = TorchData(Items([(image, mask)] * 4), mask_classes=CLASSES)
    sample = Folder(data.folder(tmp_path)).read(0)
    np.testing.assert_array_equal(sample.image, PHOTOS[0])
    np.testing.assert_array_equal(sample.mask, MASKS[0])


def test_a_grey_tensor(tmp_path: Path) -> None:
    grey = torch.from_numpy(PHOTOS[0][..., :1]).permute(2, 0, 1)
    data = TorchData(Items([(grey, MASKS[0])] * 4), mask_classes=CLASSES)
    image = Folder(data.folder(tmp_path)).read(0).image
    np.testing.assert_array_equal(image, np.dstack([PHOTOS[0][..., 0]] * 3))


def test_torchs_own_dataset(tmp_path: Path) -> None:
    images, masks = torch.rand(4, 3, 8, 9), torch.randint(0, 3, (4, 8, 9))
    folder = Folder(TorchData(TensorDataset(images, masks), mask_classes=CLASSES).folder(tmp_path))
    for n in range(4):
        sample = folder.read(n)
        near = sample.image.transpose(2, 0, 1) / 255 - images[n].numpy()
        assert np.abs(near).max() <= 0.5 / 255 + 1e-6
        np.testing.assert_array_equal(sample.mask, masks[n])


def test_any_image_may_lack_any_label(tmp_path: Path) -> None:
    items = [
        {"image": PHOTOS[0], "mask": MASKS[0], "label": 1, "box": (3, 4, 15, 10)},
        {"image": PHOTOS[1], "mask": None, "label": torch.tensor(0)},
        {"image": PHOTOS[2], "mask": MASKS[2], "box": torch.tensor([0.0, 0.0, 30.0, 22.0])},
    ]
    data = TorchData(
        Items(items), pairs(3, 5), mask_classes=CLASSES, label_classes=("tom", "kitten", "lion")
    )
    folder = Folder(data.folder(tmp_path))
    first, second, third = (folder.read(folder_number(folder, f"train-0000{n}")) for n in range(3))
    assert folder.label_classes == ("tom", "kitten", "lion")
    assert (first.label, second.label, third.label) == (1, 0, None)
    assert second.mask is None
    assert second.box is None
    assert first.box is not None
    assert third.box is not None
    np.testing.assert_allclose(first.box, [0.1, 0.2, 0.5, 0.5], atol=1e-6)
    np.testing.assert_allclose(third.box, [0, 0, 1, 1])


def folder_number(folder: Folder, stem: str) -> int:
    return [folder.name(n) for n in range(len(folder))].index(f"{stem}.png")


def test_pixels_that_are_not_labelled(tmp_path: Path) -> None:
    mask = MASKS[0].copy()
    mask[:3] = 255
    root = TorchData(Items([(PHOTOS[0], mask)] * 4), mask_classes=CLASSES).folder(tmp_path)
    np.testing.assert_array_equal(Folder(root, ignore_index=255).read(0).mask, mask)


def test_the_same_data_are_kept_once_and_other_data_apart(tmp_path: Path) -> None:
    same = [TorchData(pairs(0, 3), mask_classes=CLASSES).folder(tmp_path) for _ in range(2)]
    assert same[0] == same[1]
    others = [
        TorchData(pairs(0, 2), mask_classes=CLASSES),
        TorchData(pairs(0, 3), mask_classes=("sky", "cat", "dog")),
        TorchData(pairs(0, 2), pairs(2, 3), mask_classes=CLASSES),
    ]
    assert len({same[0], *(one.folder(tmp_path) for one in others)}) == 4
    assert len(list((tmp_path / "torch").iterdir())) == 4  # and nothing is left of the making


IMAGE, MASK = PHOTOS[0], MASKS[0]
TENSOR = torch.from_numpy(IMAGE).permute(2, 0, 1)


@pytest.mark.parametrize(
    ("item", "words"),
    [
        (IMAGE, ("ndarray", "(image, mask)")),
        ((IMAGE, MASK, 3), ("tuple", "(image, mask)")),
        ({"mask": MASK}, ("no image", "image, mask, label, box")),
        ({"image": IMAGE, "bbox": (0, 0, 1, 1)}, ("'bbox'", "box")),
        ((IMAGE / 255, MASK), ("float64", "uint8")),
        ((TENSOR.permute(1, 2, 0), MASK), ("(20, 30, 3)", "(3, H, W)")),
        ((TENSOR / 127.5 - 1, MASK), ("-1 to 1", "[0, 1]", "normalised")),
        ((TENSOR.float(), MASK), ("0 to 255", "[0, 1]")),
        ((IMAGE, MASK[1:]), ("(19, 30)", "(20, 30)")),
        ((IMAGE, MASK + 1), ("3", "0 to 2", "255")),
        ((IMAGE, MASK - 1), ("-1", "0 to 2", "255")),
        ((IMAGE, MASK.astype(np.float32)), ("float32", "whole numbers")),
        ({"image": IMAGE, "label": 2}, ("label 2", "0 to 1")),
        ({"image": IMAGE, "label": -1}, ("label -1", "0 to 1")),
        ({"image": IMAGE, "label": "cat"}, ("'cat'", "whole number")),
        ({"image": IMAGE, "label": 0.7}, ("0.7", "whole number")),
        ({"image": IMAGE, "label": torch.tensor([0, 1])}, ("whole number",)),
        ({"image": IMAGE, "box": 5}, ("box 5", "xmin, ymin")),
        ({"image": IMAGE, "box": torch.zeros(1, 4)}, ("xmin, ymin",)),
        ({"image": IMAGE, "box": (1, 2, 3)}, ("3 values", "xmin")),
        ({"image": IMAGE, "box": (9, 2, 3, 4)}, ("xmin < xmax",)),
        ({"image": IMAGE, "box": (0, 0, 0.5, 40)}, ("outside", "30 × 20")),
    ],
)
def test_what_does_not_fit_is_named(item: Any, words: Sequence[str], tmp_path: Path) -> None:
    items = Items([{"image": IMAGE, "mask": MASK}, item])
    data = TorchData(items, mask_classes=CLASSES, label_classes=("a", "b"))
    with pytest.raises(UsageError) as caught:
        data.folder(tmp_path)
    text = str(caught.value)
    assert text.startswith("train[1]: ")
    assert "\n" not in text
    for word in words:
        assert word in text
    assert not (tmp_path / "torch").exists()


def test_a_label_without_names(tmp_path: Path) -> None:
    data = TorchData(Items([{"image": IMAGE, "label": 0}]), mask_classes=CLASSES)
    with pytest.raises(UsageError, match=r"train\[0\]: has a label.*label_classes"):
        data.folder(tmp_path)


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"mask_classes": ()}, "mask_classes"),
        ({"mask_classes": ("cat",)}, "at least two"),
        ({"mask_classes": ("cat", "a\nb")}, "is no name"),
        ({"mask_classes": ("cat", " dog")}, "is no name"),
        ({"mask_classes": ("cat", "")}, "is empty"),
        ({"mask_classes": "cat"}, "list of names"),
        ({"mask_classes": ("a", "a")}, "each of them once"),
        ({"mask_classes": ("a", "b"), "test": ()}, "test: needs val"),
    ],
)
def test_arguments_that_do_not_go_together(arguments: Mapping[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        TorchData(pairs(0, 2), **arguments)


def test_an_empty_dataset(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="val: the dataset is empty"):
        TorchData(pairs(0, 2), Items([]), mask_classes=CLASSES).folder(tmp_path)


def test_masks_of_0_and_255_alone_are_refused(tmp_path: Path) -> None:
    """Everybody's masks of black and white: 255 would be "not labelled"."""
    items = Items([(photo, 255 * (mask > 1)) for photo, mask in zip(PHOTOS, MASKS, strict=True)])
    with pytest.raises(UsageError, match=r"0 and 255 alone.*mask // 255"):
        TorchData(items, mask_classes=CLASSES[:2]).folder(tmp_path)


def test_what_is_there_is_not_written_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = TorchData(pairs(0, 3), mask_classes=list(CLASSES))
    place = data.folder(tmp_path)
    monkeypatch.setattr(Image.Image, "save", lambda *_, **__: pytest.fail("written"))
    assert TorchData(pairs(0, 3), mask_classes=CLASSES).folder(tmp_path) == place


def test_another_process_may_be_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its folder appears while this one is still written."""
    data = TorchData(pairs(0, 3), mask_classes=CLASSES)
    place = data.folder(tmp_path / "other")

    def write(self: TorchData, out: Path, known: Any) -> None:
        original(self, out, known)
        place.rename(tmp_path / "torch" / place.name)

    original = TorchData._write
    monkeypatch.setattr(TorchData, "_write", write)
    assert data.folder(tmp_path) == tmp_path / "torch" / place.name
    assert [one.name for one in (tmp_path / "torch").iterdir()] == [place.name]


@pytest.mark.parametrize("only", [0, 2])
def test_random_changes_are_refused(only: int, tmp_path: Path) -> None:
    """Of any item."""

    class Flipping(Items):
        def __getitem__(self, index: Any) -> Any:
            photo, mask = self.items[only]
            self.items[only] = (photo[:, ::-1], mask[:, ::-1])
            return self.items[index]

    items = Flipping([(PHOTOS[n], MASKS[n]) for n in range(3)])
    with pytest.raises(UsageError, match=rf"train\[{only}\]: returned two different.*random"):
        TorchData(items, mask_classes=CLASSES).folder(tmp_path)
