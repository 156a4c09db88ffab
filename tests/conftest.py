"""Fixtures that every test may ask for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import pytest
import torch

from auxseg.types import IGNORE_INDEX, NO_LABEL, LabelledImages

REPOSITORY = Path(__file__).resolve().parent.parent


@pytest.fixture(scope="session")
def shared() -> Path:
    """The optional folder of real images and weights: ``$AUXSEG_SHARED`` or ``../shared``."""
    folder = Path(os.environ.get("AUXSEG_SHARED", REPOSITORY.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(f"no real images: {folder}/data is missing (set AUXSEG_SHARED)")
    return folder


@pytest.fixture(autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """Tests share one cache folder of their own, never the user's."""
    monkeypatch.setenv("AUXSEG_CACHE", str(tmp_path_factory.getbasetemp() / "auxseg-cache"))


class RandomImages(Protocol):
    """Makes random labelled images; those numbered in ``missing`` have no label at all."""

    def __call__(
        self, count: int = 4, size: int = 32, *, missing: Sequence[int] = (), seed: int = 0
    ) -> LabelledImages: ...


@pytest.fixture(scope="session")
def random_images() -> RandomImages:
    """A maker of images with two mask classes, two image classes and a box."""

    def make(
        count: int = 4, size: int = 32, *, missing: Sequence[int] = (), seed: int = 0
    ) -> LabelledImages:
        draw = torch.Generator().manual_seed(seed)
        corner = 0.4 * torch.rand(count, 2, generator=draw)
        extent = 0.2 + 0.3 * torch.rand(count, 2, generator=draw)
        images = LabelledImages(
            image=torch.rand(count, 3, size, size, generator=draw),
            mask=torch.randint(0, 2, (count, size, size), generator=draw, dtype=torch.uint8),
            label=torch.arange(count) % 2,
            box=torch.cat([corner, corner + extent], dim=1),
            has_mask=torch.ones(count, dtype=torch.bool),
            counted=torch.ones(count, dtype=torch.bool),
            index=torch.arange(count),
        )
        numbers = list(missing)
        images.mask[numbers] = IGNORE_INDEX
        images.label[numbers] = NO_LABEL
        images.box[numbers] = torch.nan
        images.has_mask[numbers] = False
        return images

    return make
