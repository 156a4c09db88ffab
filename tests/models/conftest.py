"""Small networks of every architecture, for the model tests."""

from __future__ import annotations

from typing import Protocol

import pytest
import torch

from auxseg.assembly import connect
from auxseg.config import ModelConfig
from auxseg.models import MultiTaskModel
from auxseg.models.initialise import initialise
from auxseg.types import HeadSpec

SPECS = {
    "segmentation": HeadSpec("dense", 2),
    "classification": HeadSpec("global", 3),
    "bbox": HeadSpec("global", 4),
    "edges": HeadSpec("dense", 1),
}


class MakeModel(Protocol):
    """Makes a freshly drawn network with the outputs ``names`` of :data:`SPECS`."""

    def __call__(
        self,
        architecture: str,
        names: tuple[str, ...] = ("segmentation", "classification", "bbox", "edges"),
        *,
        encoder: str = "vgg16",
        decoder: str = "auto",
        columns: tuple[str, ...] = (),
        width: float = 0.05,
        seed: int = 0,
        in_channels: int = 3,
    ) -> MultiTaskModel: ...


@pytest.fixture(scope="session")
def make_model() -> MakeModel:
    def make(
        architecture: str,
        names: tuple[str, ...] = tuple(SPECS),
        *,
        encoder: str = "vgg16",
        decoder: str = "auto",
        columns: tuple[str, ...] = (),
        width: float = 0.05,
        seed: int = 0,
        in_channels: int = 3,
    ) -> MultiTaskModel:
        config = ModelConfig(
            architecture=architecture,
            encoder=encoder,
            decoder=decoder,
            columns=columns,
            width=width,
        )
        model = connect(config, {name: SPECS[name] for name in names}, in_channels)
        initialise(model, seed)
        return model

    return make


@pytest.fixture
def trained_norms() -> object:
    """Gives a network's batch norms statistics of their own, as after training; then evaluates."""

    def run(model: MultiTaskModel) -> MultiTaskModel:
        model.train()
        with torch.no_grad():
            model(torch.rand(4, 3, 64, 64, generator=torch.Generator().manual_seed(3)))
        return model.eval()

    return run
