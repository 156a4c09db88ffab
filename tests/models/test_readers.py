"""A task that reads another one's output, in a view of its own (``consistency``)."""

from __future__ import annotations

import copy
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.types import Route

Make = Callable[..., MultiTaskModel]

ROUTES = {
    "image": (Route("segmentation", "segmentation"), Route("edges", "edges")),
    "strong": (Route("consistency", "segmentation"),),
}

pytestmark = pytest.mark.parametrize("architecture", ARCHITECTURES)


def images(seed: int) -> Tensor:
    return torch.rand(3, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def norm_buffers(model: nn.Module) -> dict[str, Tensor]:
    kinds = ("running_mean", "running_var", "num_batches_tracked")
    return {name: value.clone() for name, value in model.named_buffers() if name.endswith(kinds)}


@pytest.fixture
def reading(architecture: str, make_model: Make) -> MultiTaskModel:
    """With U-Net decoders, where the architecture can have them."""
    decoder = "auto" if ARCHITECTURES[architecture].NEEDS_INDICES else "unet"
    names = ("segmentation", "edges")
    return make_model(architecture, names, decoder=decoder, width=0.1).train()


def test_a_reader_of_another_view_leaves_the_output_of_its_own(
    reading: MultiTaskModel, architecture: str
) -> None:
    clean, strong = images(0), 0.3 * images(1)
    found = reading.forward_views({"image": clean, "strong": strong}, ROUTES)
    assert set(found) == {"segmentation", "edges", "consistency"}
    alone = reading(clean, ("segmentation",))["segmentation"]
    assert torch.equal(found["segmentation"], alone)
    read = reading(strong, ("segmentation",))["segmentation"]
    assert torch.equal(found["consistency"], read)
    assert not torch.equal(found["consistency"], found["segmentation"])


def test_a_reader_s_view_leaves_all_running_statistics(
    reading: MultiTaskModel, architecture: str
) -> None:
    both = copy.deepcopy(reading)
    fresh = norm_buffers(reading)
    both.forward_views({"image": images(0), "strong": 0.3 * images(1)}, ROUTES)
    reading(images(0))
    found, expected = norm_buffers(both), norm_buffers(reading)
    for name in found:
        assert torch.equal(found[name], expected[name]), name
    assert not any(torch.equal(found[name], fresh[name]) for name in found)


def test_a_reader_teaches_what_the_output_is_made_by(
    reading: MultiTaskModel, architecture: str
) -> None:
    """The encoder, and all that is the output's own; nothing that is another output's own."""
    found = reading.forward_views({"image": images(0), "strong": images(1)}, ROUTES)
    found["consistency"].square().mean().backward()
    modules = {name: list(reading.own_modules(name)) for name in reading.heads}
    for part in (reading.encoder, *modules["segmentation"]):
        assert all(one.grad is not None for one in part.parameters())
    for part in modules["edges"]:
        assert all(one.grad is None for one in part.parameters())
