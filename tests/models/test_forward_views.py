"""Passes for some outputs and passes for several views: whose statistics, whose gradients."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.types import Route

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]

READERS = {"image": ("segmentation", "bbox"), "noisy": ("edges",), "grey": ("classification",)}
ROUTES = {view: tuple(Route(name, name) for name in names) for view, names in READERS.items()}
SUBSETS = [("segmentation",), ("bbox",), ("edges", "classification"), ("bbox", "segmentation")]

#: Progressive networks share nothing, and their columns read one another: see test_progressive.
SHARING = [name for name in ARCHITECTURES if name != "progressive"]

pytestmark = pytest.mark.parametrize("architecture", SHARING)


def images(seed: int = 0, size: tuple[int, int] = (64, 64)) -> Tensor:
    return torch.rand(3, 3, *size, generator=torch.Generator().manual_seed(seed))


@pytest.fixture
def views() -> dict[str, Tensor]:
    """Three views that differ much, so that statistics do."""
    return {"image": images(0), "noisy": 0.2 * images(1), "grey": 0.5 + 0.5 * images(2)}


def tasks_own(name: str) -> str | None:
    """The task to which a parameter or buffer of this name belongs."""
    found = {part for part in name.split(".") if part in {t for r in READERS.values() for t in r}}
    assert len(found) <= 1
    return found.pop() if found else None


def norm_buffers(model: nn.Module) -> dict[str, Tensor]:
    kinds = ("running_mean", "running_var", "num_batches_tracked")
    return {name: value.clone() for name, value in model.named_buffers() if name.endswith(kinds)}


def flags(model: nn.Module) -> list[bool]:
    """Which batch norms remember what they see."""
    norms = [m for m in model.modules() if isinstance(m, nn.BatchNorm2d)]
    return [norm.momentum == 0.1 and norm.num_batches_tracked is not None for norm in norms]


# -- some outputs ---------------------------------------------------------------------------------


@pytest.mark.parametrize("names", SUBSETS)
def test_some_outputs_are_those_of_the_full_pass(
    names: tuple[str, ...], architecture: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model(architecture))
    picture = images(size=(50, 70))
    with torch.no_grad():
        full, some = model(picture), model(picture, names)
    assert set(some) == set(names)
    for name in names:
        torch.testing.assert_close(some[name], full[name])
        assert some[name].shape == full[name].shape


def test_what_only_other_outputs_need_is_not_computed(architecture: str, make_model: Make) -> None:
    model = make_model(architecture).eval()
    ran: set[str] = set()
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: ran.add(name))
    model(images(), ("classification",))
    assert {tasks_own(name) for name in ran} == {None, "classification"}


# -- several views --------------------------------------------------------------------------------


@pytest.mark.parametrize("training", [True, False])
def test_one_view_is_the_plain_pass(training: bool, architecture: str, make_model: Make) -> None:
    one, plain = (make_model(architecture).train(training) for _ in range(2))
    outputs = []
    for call in (
        lambda: one.forward_views(
            {"image": images()}, {"image": [Route(name, name) for name in one.heads]}
        ),
        lambda: plain(images()),
    ):
        torch.manual_seed(0)  # dropout
        outputs.append(call())
    assert list(outputs[0]) == list(outputs[1]) == list(one.heads)
    assert all(torch.equal(outputs[0][name], outputs[1][name]) for name in outputs[1])
    before, after = norm_buffers(plain), norm_buffers(one)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_in_evaluation_every_output_is_that_of_its_view(
    architecture: str, make_model: Make, trained_norms: Adapt, views: dict[str, Tensor]
) -> None:
    model = trained_norms(make_model(architecture))
    before = norm_buffers(model)
    with torch.no_grad():
        outputs = model.forward_views(views, ROUTES)
        assert set(outputs) == set(model.heads)
        for view, names in READERS.items():
            expected = model(views[view])
            for name in names:
                torch.testing.assert_close(outputs[name], expected[name])
    after = norm_buffers(model)
    assert all(torch.equal(before[name], after[name]) for name in before)


def test_shared_statistics_are_the_first_view_s_alone(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    both, first = make_model(architecture).train(), make_model(architecture).train()
    both.forward_views(views, ROUTES)
    first(views["image"], READERS["image"])
    found, expected = norm_buffers(both), norm_buffers(first)
    shared = [name for name in found if tasks_own(name) is None]
    assert len(shared) >= 3 * 13
    for name in shared:
        assert torch.equal(found[name], expected[name]), name
    fresh = norm_buffers(make_model(architecture))
    assert not any(torch.equal(found[name], fresh[name]) for name in shared)


def test_a_task_s_own_statistics_are_its_view_s(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    model = make_model(architecture).train()
    model.forward_views(views, ROUTES)
    found = norm_buffers(model)
    for view, names in READERS.items():
        alone = make_model(architecture).train()
        alone(views[view], names)
        expected = norm_buffers(alone)
        for name in (name for name in found if tasks_own(name) in names):
            assert torch.equal(found[name], expected[name]), name
    counts = {
        int(value)
        for name, value in found.items()
        if tasks_own(name) and name.endswith("num_batches_tracked")
    }
    assert counts == {1}


def test_in_training_every_view_is_normalised_by_its_own_batch(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    model = make_model(architecture).train()
    torch.manual_seed(0)
    outputs = model.forward_views(views, ROUTES)
    expected = make_model(architecture).train()(views["noisy"], READERS["noisy"])
    assert torch.equal(outputs["edges"], expected["edges"])


def test_gradients_reach_shared_parameters_from_every_view(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    """And those of all views together are the sum of those of each."""
    model = make_model(architecture).eval()  # without dropout

    def gradients(*losses: str) -> dict[str, Tensor]:
        model.zero_grad()
        model.train()
        for module in model.modules():
            if isinstance(module, nn.Dropout):
                module.eval()
        outputs = model.forward_views(views, ROUTES)
        torch.stack([outputs[name].square().mean() for name in losses]).sum().backward()
        return {
            name: parameter.grad.clone()
            for name, parameter in model.named_parameters()
            if parameter.grad is not None and tasks_own(name) is None
        }

    parts = [gradients(*names) for names in READERS.values()]
    for part in parts:
        assert float(part["encoder.blocks.0.0.0.weight"].abs().sum()) > 0
    together = gradients(*(name for names in READERS.values() for name in names))
    for name, gradient in together.items():
        expected = torch.stack([part[name] for part in parts if name in part]).sum(dim=0)
        torch.testing.assert_close(gradient, expected, atol=1e-5, rtol=1e-3)


# -- afterwards -----------------------------------------------------------------------------------


def test_afterwards_every_norm_keeps_statistics_again(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    model = make_model(architecture).train()
    model.forward_views(views, ROUTES)
    assert all(flags(model))
    before = norm_buffers(model)
    model(images(5))
    after = norm_buffers(model)
    assert not any(torch.equal(before[name], after[name]) for name in before)


def test_also_where_a_pass_fails(
    architecture: str, make_model: Make, views: dict[str, Tensor]
) -> None:
    model = make_model(architecture).train()
    seen: list[list[bool]] = []

    def fail(*_: object) -> None:
        seen.append(flags(model))
        raise RuntimeError("in the second pass")

    model.heads["edges"].register_forward_pre_hook(fail)
    with pytest.raises(RuntimeError, match="in the second pass"):
        model.forward_views(views, ROUTES)
    assert not all(seen[0])
    assert all(flags(model))


def test_shared_is_exactly_what_no_task_has_for_itself(architecture: str, make_model: Make) -> None:
    model = make_model(architecture)
    shared = {id(module) for module in model.shared_modules()}
    for name, module in model.named_modules():
        if list(module.children()) or name == "":
            continue
        assert (id(module) in shared) is (tasks_own(name) is None), name
    parameters = {
        id(parameter) for module in model.shared_modules() for parameter in module.parameters()
    }
    assert parameters == {
        id(parameter) for name, parameter in model.named_parameters() if tasks_own(name) is None
    }
