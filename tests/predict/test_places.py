"""Whatever the fit, a mask lies where the photo shows the thing: a network of known answer."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.data.fits import FITS
from auxseg.predict import Predictor
from auxseg.predict.network import Network, Outputs
from auxseg.tasks.bbox import BoundingBox
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames

CLASSES = ClassNames(("dark", "bright"), ())


class Brightness(Network):
    """Class 1 where a picture is bright, the box around it, and attention to it."""

    attentive = True

    def __init__(self, fit: str, scale: float = 1.0) -> None:
        self.preset, self.fit = "brightness", FITS[fit](64, scale)
        self.tasks = {"segmentation": Segmentation(CLASSES), "bbox": BoundingBox(CLASSES)}

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        bright = images.mean(dim=1) - 0.7
        boxes = [_box(picture > 0) for picture in bright]
        scores = torch.stack([-bright, bright], dim=1)
        looks = F.avg_pool2d((bright > 0).float()[:, None], 4)
        return Outputs(
            {"segmentation": scores, "bbox": torch.stack(boxes) - 0.5},
            {"segmentation/encoder-1": looks} if attention else {},
        )


def _box(mask: Tensor) -> Tensor:
    if not mask.any():
        return torch.zeros(4)
    rows, columns = (mask.any(dim=axis).nonzero()[:, 0] for axis in (1, 0))
    sides = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    return torch.tensor([float(side) / len(mask) for side in sides])


def photo(height: int, width: int) -> tuple[np.ndarray, np.ndarray]:
    """A bright rectangle off the middle, and its mask."""
    mask = np.zeros((height, width), np.uint8)
    mask[height // 8 : height // 3, width // 2 : width * 7 // 8] = 1
    return np.where(mask[..., None] == 1, np.uint8(250), np.uint8(90)).repeat(3, axis=2), mask


@pytest.mark.parametrize("scale", [1.0, 0.5])
@pytest.mark.parametrize("shape", [(200, 300), (300, 100), (64, 64), (40, 48), (64, 257)])
@pytest.mark.parametrize("fit", FITS)
def test_masks_and_boxes_lie_where_things_are(
    fit: str, shape: tuple[int, int], scale: float
) -> None:
    image, mask = photo(*shape)
    found = Predictor(Brightness(fit, scale)).predict(image)
    assert found.mask is not None
    assert found.mask.shape == shape
    # Half a pixel of the network's is several of the photo's, where it was shrunk.
    both, either = (found.mask & mask).sum(), (found.mask | mask).sum()
    finest = max(shape) / 64 if fit != "tile" else 1 / scale
    assert both / either > (0.97 if finest <= 1 else 0.8)
    if fit == "tile":
        assert found.box is None
        return
    rows, columns = np.nonzero(mask.any(axis=1))[0], np.nonzero(mask.any(axis=0))[0]
    box = [columns[0], rows[0], columns[-1] + 1, rows[-1] + 1]
    np.testing.assert_allclose(found.box, box, atol=1.01 * max(1, finest))


@pytest.mark.parametrize("shape", [(200, 300), (300, 100), (64, 64), (120, 200)])
@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
def test_attention_lies_where_things_are(fit: str, shape: tuple[int, int]) -> None:
    """Laid over the photo, as the report does: the padding of a letterbox is no part of it."""
    image, mask = photo(*shape)
    found = Predictor(Brightness(fit)).predict(image, attention=True)
    (looks,) = found.attention["segmentation/encoder-1"].astype(np.float32)
    over = cv2.resize(looks, shape[::-1], interpolation=cv2.INTER_AREA)
    assert over[mask == 1].mean() > over[mask == 0].mean() + 0.6
