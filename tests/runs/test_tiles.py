"""Tiles blended into a photo: equal to the whole photo where that can be known, without seams."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auxseg.data.fits import Tile
from auxseg.runs import tiles
from auxseg.runs.tiles import Decided, blended, look_by_tiles
from auxseg.tasks import TASKS
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import ClassNames, Sample

CLASSES = ClassNames(("grass", "path", "water"), ())


def photo(height: int, width: int) -> np.ndarray:
    return np.random.default_rng((height, width)).integers(0, 256, (height, width, 3), np.uint8)


def colours(pictures: Tensor) -> Mapping[str, Tensor]:
    """The three colours as the scores of three classes: every pixel is decided by itself."""
    return {"segmentation": 10 * pictures}


def whole(image: np.ndarray, scale: float = 1.0) -> Tensor:
    """Float32 (3, h, w), the scores of :func:`colours` for a whole photo."""
    kept = Tile(8, scale).kept(Sample(image)).image
    return 10 * torch.from_numpy(kept).permute(2, 0, 1).float() / 255


@settings(deadline=None)
@given(height=st.integers(1, 60), width=st.integers(1, 60), size=st.integers(4, 24))
def test_weights_of_every_pixel_add_up_to_one(height: int, width: int, size: int) -> None:
    image = photo(height, width)
    bands = [*blended(image, size, ["segmentation"], 3, colours)]
    found = torch.cat([band["segmentation"] for band in bands], dim=1)
    torch.testing.assert_close(found, whole(image), rtol=0, atol=1e-4)


@pytest.mark.parametrize("scale", [1.0, 0.5, 1.7])
@pytest.mark.parametrize("rows", [1, 5, 32])
def test_what_pixels_decide_alone_is_as_untiled(
    scale: float, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tiles, "ROWS", rows)
    image, task = photo(61, 94), Segmentation(CLASSES)
    found = look_by_tiles(
        Tile(24, scale), image, {"segmentation": task}, colours, probabilities=True
    )["segmentation"]
    assert isinstance(found, Decided)
    enlarged = F.interpolate(
        whole(image, scale)[None], (61, 94), mode="bilinear", align_corners=False
    )[0]
    first, second = enlarged.topk(2, dim=0).values
    clear = (first - second > 1e-3).numpy()  # equal scores may be decided either way
    np.testing.assert_array_equal(found.mask[clear], enlarged.argmax(0).numpy()[clear])
    assert clear.mean() > 0.9
    assert found.probabilities is not None
    for plane, expected in zip(found.probabilities, enlarged.softmax(dim=0).numpy(), strict=True):
        np.testing.assert_allclose(plane, expected, atol=1e-4)


def test_seams_are_smooth() -> None:
    """Tiles that disagree by 1 are blended in steps of what the overlap allows, not by a jump."""
    size, overlap = 32, 8
    calls = iter(range(1000))

    def disagreeing(pictures: Tensor) -> Mapping[str, Tensor]:
        level = torch.tensor([float(next(calls) % 2) for _ in pictures])
        return {"edges": level.view(-1, 1, 1, 1).expand(-1, 1, size, size)}

    bands = [*blended(photo(100, 100), size, ["edges"], 1, disagreeing)]
    found = torch.cat([band["edges"] for band in bands], dim=1)[0].numpy()
    assert found.min() < 0.01
    assert found.max() > 0.99
    steps = max(np.abs(np.diff(found, axis=axis)).max() for axis in (0, 1))
    assert steps < 2 / overlap


def test_scores_in_16_bits_decide_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    image, task = photo(61, 94), {"segmentation": Segmentation(CLASSES)}
    full = look_by_tiles(Tile(24), image, task, colours)["segmentation"]
    monkeypatch.setattr(tiles, "BAND_BYTES", 0)
    half = look_by_tiles(Tile(24), image, task, colours)["segmentation"]
    assert isinstance(full, Decided)
    assert isinstance(half, Decided)
    assert (full.mask == half.mask).mean() > 0.99


def test_no_more_tiles_together_than_memory_allows(monkeypatch: pytest.MonkeyPatch) -> None:
    together: list[int] = []

    def counting(pictures: Tensor) -> Mapping[str, Tensor]:
        together.append(len(pictures))
        return colours(pictures)

    def run() -> list[int]:
        together.clear()
        list(blended(photo(30, 300), 24, ["segmentation"], 3, counting))
        return together.copy()

    assert max(run()) == 8
    monkeypatch.setattr(tiles, "TILE_BYTES", 2 * 4 * 3 * 24 * 24)
    assert max(run()) == 2
    monkeypatch.setattr(tiles, "TILE_BYTES", 1)
    assert set(run()) == {1}


def test_other_tasks_give_their_whole_output() -> None:
    tasks = {name: TASKS[name](CLASSES) for name in ("segmentation", "denoising", "edges")}

    def answer(pictures: Tensor) -> Mapping[str, Tensor]:
        return {
            "segmentation": pictures,
            "denoising": pictures - 0.5,
            "edges": pictures[:, :1],
        }

    image = photo(50, 70)
    found = look_by_tiles(Tile(16), image, tasks, answer)
    scores = whole(image) / 10
    torch.testing.assert_close(found["denoising"], scores - 0.5, rtol=0, atol=1e-5)
    torch.testing.assert_close(found["edges"], scores[:1], rtol=0, atol=1e-5)
