"""The shipped network: what is left of the trained one computes the same."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor, nn

from auxseg.api import configure
from auxseg.assembly import assemble, make_tasks, make_views
from auxseg.export.network import ShippedNetwork, fold_norms, pad_any
from auxseg.models import MultiTaskModel
from auxseg.models.heads import DenseHead, FinalLinear
from auxseg.models.initialise import initialise
from auxseg.models.layers import ConvBNReLU, pad_to_multiple
from auxseg.tasks import Views
from auxseg.types import ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
#: Every architecture, and every way to feed one.
SYSTEMS = (
    "segnet-3task",
    "mtan-noisy",
    "mtan-color",
    "mtan-all",
    "mtan-full-3task",
    "cross-stitch-3task",
    "unet-1task",
    "mtan-unet-3task",
)
SIZES = [(1, 32, 32), (1, 33, 31), (3, 45, 70), (2, 9, 64), (2, 1, 1)]


def trained(preset: str) -> tuple[MultiTaskModel, Views]:
    """A small network as after training: norms with statistics, heads with weights that matter."""
    config = configure(preset, width=0.05, weights="none")
    tasks = make_tasks(config, CLASSES)
    model, views = assemble(config, tasks), make_views(config, tasks)
    initialise(model, seed=0)
    generator = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, nn.BatchNorm2d):
            nn.init.uniform_(module.weight, 0.5, 1.5, generator=generator)
            nn.init.uniform_(module.bias, 0, 0.5, generator=generator)
        elif isinstance(module, (DenseHead, FinalLinear)):
            nn.init.normal_(module.weight, std=0.3, generator=generator)
    with torch.no_grad():
        model.train().forward_views(views(unlabelled(4, 64, 64)), views.routes)
    return model.eval(), views


def unlabelled(count: int, height: int, width: int) -> LabelledImages:
    generator = torch.Generator().manual_seed(2)
    return LabelledImages.without_labels(torch.rand(count, 3, height, width, generator=generator))


def outputs(model: MultiTaskModel, views: Views, images: Tensor) -> dict[str, Tensor]:
    """What the run itself computes from photos."""
    with torch.no_grad():
        made = views(LabelledImages.without_labels(images))
        return model.forward_views(made, views.routes)


@pytest.mark.parametrize("preset", SYSTEMS)
def test_every_task_alone_computes_the_same(preset: str) -> None:
    model, views = trained(preset)
    double = copy.deepcopy(model).double()
    for name in model.heads:
        shipped = ShippedNetwork(double, views, [name])
        for size in SIZES[::2]:
            images = unlabelled(*size).image.double()
            (found,) = shipped(images).values()
            expected = outputs(double, views, images)[name]
            assert float(expected.abs().max()) > 1e-3
            torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("preset", SYSTEMS)
def test_nothing_of_other_tasks_is_left(preset: str) -> None:
    model, views = trained(preset)
    before = copy.deepcopy(model.state_dict())
    for name in model.heads:
        shipped = ShippedNetwork(model, views, [name])
        others = set(model.heads) - {name}
        owners = {owner for key in shipped.state_dict() for owner in key.split(".")}
        assert not owners & others
        assert not any(isinstance(module, nn.BatchNorm2d) for module in shipped.modules())
        # All that is left is needed: without it the output is another, or none.
        assert unused(shipped) == []
    after = model.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)


def unused(network: ShippedNetwork) -> list[str]:
    """Parameters that no output depends on."""
    network.requires_grad_(True)
    outputs = network(unlabelled(1, 64, 64).image).values()
    torch.stack([output.sum() for output in outputs]).sum().backward()
    return [name for name, parameter in network.named_parameters() if parameter.grad is None]


class Other(nn.Module):
    """A module of another package, which runs its children in an order of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, image: Tensor) -> Tensor:
        found: Tensor = self.conv(self.norm(image))
        return found


def test_modules_that_do_not_say_their_order_keep_their_norms() -> None:
    own = ConvBNReLU(3, 3)
    both = nn.Sequential(own, Other()).eval()
    nn.init.uniform_(own.get_parameter("1.bias"))
    image = unlabelled(1, 8, 8).image
    with torch.no_grad():
        expected = both(image)
        fold_norms(both)
        torch.testing.assert_close(both(image), expected)
    kept = [name for name, one in both.named_modules() if isinstance(one, nn.BatchNorm2d)]
    assert kept == ["1.norm"]


@pytest.mark.parametrize("size", [(1, 1), (31, 32), (33, 64), (40, 97)])
def test_pad_by_index_is_the_models_own(size: tuple[int, int]) -> None:
    images = unlabelled(2, *size).image
    assert torch.equal(pad_any(images, 32), pad_to_multiple(images, 32))
