"""Several looks at an image: each is undone before the answers are averaged."""

from __future__ import annotations

from collections.abc import Mapping

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.errors import UsageError
from auxseg.runs.averaging import ONCE, Change, Looks, parse_looks
from auxseg.tasks.bbox import BoundingBox, to_box
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ())
TASKS = {"segmentation": Segmentation(CLASSES), "bbox": BoundingBox(CLASSES)}


def photos() -> Tensor:
    """Two photos whose bright part lies on the left, at another height in each."""
    images = torch.zeros(2, 3, 32, 32)
    images[0, :, 4:12, 2:14] = 1
    images[1, :, 16:28, 4:16] = 1
    return images


def brightness(images: Tensor) -> dict[str, Tensor]:
    """A network: class 1 where it is bright, and the box around that."""
    grey = images.mean(dim=1, keepdim=True)
    boxes = []
    for bright in grey[:, 0] > 0.5:
        ys, xs = bright.nonzero().unbind(dim=1)
        height, width = bright.shape
        edges = (xs.min() / width, ys.min() / height, xs.max() / width, ys.max() / height)
        boxes.append(torch.stack(edges) + torch.tensor([0, 0, 1 / width, 1 / height]) - 0.5)
    return {"segmentation": 8 * torch.cat([0.5 - grey, grey - 0.5], 1), "bbox": torch.stack(boxes)}


@pytest.mark.parametrize(
    ("words", "count"), [(["flip"], 2), (["2"], 2), (["flip", "0.5", "2"], 6), ([], 1)]
)
def test_every_look_finds_the_same(words: list[str], count: int) -> None:
    looks, seen = parse_looks(words), []

    def answer(change: Change) -> Mapping[str, Tensor]:
        images = change(photos())
        seen.append(images)
        return brightness(images)

    found = looks.average(TASKS, answer)
    assert len(seen) == count
    assert len({(one.shape, float(one[..., :8].sum())) for one in seen}) == count
    once = brightness(photos())
    same = found["segmentation"].argmax(dim=1) == once["segmentation"].argmax(dim=1)
    assert same.float().mean() > 0.97  # a border pixel here and there at half the size
    torch.testing.assert_close(to_box(found["bbox"]), to_box(once["bbox"]), atol=0.03, rtol=0)


def test_one_look_is_the_network_itself() -> None:
    output = brightness(photos())
    found = ONCE.average(TASKS, lambda change: output)
    assert all(found[name] is output[name] for name in TASKS)


def test_a_flip_averages_what_is_not_symmetric() -> None:
    """A network that sees class 1 on the left of every picture, whatever it shows."""
    left = torch.zeros(1, 2, 4, 4)
    left[:, 1, :, :2] = 5.0
    found = parse_looks(["flip"]).average(
        {"segmentation": TASKS["segmentation"]}, lambda change: {"segmentation": left}
    )["segmentation"]
    expected = (left.softmax(dim=1) + left.flip(-1).softmax(dim=1)) / 2
    torch.testing.assert_close(found.softmax(dim=1), expected)


def test_a_scale_is_as_torch_resizes() -> None:
    images = torch.rand(1, 3, 30, 30, generator=torch.Generator().manual_seed(0))
    sizes = []

    def answer(change: Change) -> Mapping[str, Tensor]:
        seen = change(images)
        sizes.append(seen.shape[-1])
        return {"segmentation": seen[:, :2]}

    found = parse_looks(["0.7"]).average({"segmentation": TASKS["segmentation"]}, answer)
    assert sizes == [30, 21]
    small = F.interpolate(images, (21, 21), mode="bilinear", antialias=True)
    back = F.interpolate(small, (30, 30), mode="bilinear")
    expected = (images[:, :2].softmax(dim=1) + back[:, :2].softmax(dim=1)) / 2
    torch.testing.assert_close(found["segmentation"].softmax(dim=1), expected)


@pytest.mark.parametrize("word", ["mirror", "0.1", "5", "1", "nan", "-1"])
def test_what_is_no_look(word: str) -> None:
    with pytest.raises(UsageError, match=f"--tta: '{word}' is neither flip nor a scale"):
        parse_looks(["flip", word])
    assert parse_looks(None) == ONCE == Looks()
