"""Progressive networks: columns that read earlier ones and teach them nothing."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from auxseg.models import MultiTaskModel
from auxseg.models.architectures.progressive import Lateral, Progressive
from auxseg.types import Route

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]

ENCODERS = ("vgg16", "efficientnet-lite0")
#: The default order of the fixture's outputs: the auxiliary ones first, the primary one last.
ORDER = ("edges", "bbox", "classification", "segmentation")

pytestmark = pytest.mark.parametrize("encoder", ENCODERS)


def image(count: int = 2, size: int = 64, seed: int = 0) -> Tensor:
    return torch.rand(count, 3, size, size, generator=torch.Generator().manual_seed(seed))


def column(model: Progressive, name: str) -> set[str]:
    """Names of the parameters of one column, by the documented names of its parts."""
    primary = name == model.primary
    prefixes = [
        "encoder." if primary else f"further.of_{name}.",
        *(f"{part}.{name}." for part in ("laterals", "decoders", "heads")),
    ]
    return {key for key, _ in model.named_parameters() if key.startswith(tuple(prefixes))}


def cut(model: nn.Module) -> None:
    """Laterals that say nothing."""
    for module in model.modules():
        if isinstance(module, Lateral):
            module.register_forward_hook(lambda module, inputs, output: torch.zeros_like(output))


@pytest.fixture
def model(encoder: str, make_model: Make) -> Progressive:
    made = make_model("progressive", encoder=encoder, width=0.1)
    assert isinstance(made, Progressive)
    return made.train()


def test_the_primary_output_has_the_last_column(model: Progressive) -> None:
    assert model.order == ORDER
    assert len(model.encoders) == len(ORDER)
    every = [name for key in ORDER for name in column(model, key)]
    assert sorted(every) == sorted(name for name, _ in model.named_parameters())


def test_the_order_can_be_given(encoder: str, make_model: Make) -> None:
    columns = ("segmentation", "edges", "classification", "bbox")
    model = make_model("progressive", encoder=encoder, columns=columns, width=0.1)
    assert isinstance(model, Progressive)
    assert model.order == columns
    assert len(model.laterals["segmentation"]) == 0  # type: ignore[arg-type]
    assert list(model.laterals["bbox"]) == [f"from_{name}" for name in columns[:3]]  # type: ignore[arg-type, call-overload]


@pytest.mark.parametrize("name", ORDER)
def test_a_loss_reaches_its_own_column_and_no_other(model: Progressive, name: str) -> None:
    """To the last bit: what belongs to another column has no gradient at all."""
    model(image())[name].square().sum().backward()
    reached = {key for key, parameter in model.named_parameters() if parameter.grad is not None}
    assert reached == column(model, name)
    for key, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert float(parameter.grad.abs().sum()) > 0, key


def test_nothing_is_shared(model: Progressive) -> None:
    assert model.shared_parameters() == []
    assert len(model.specific_parameters()) == len(list(model.parameters()))


def test_a_column_reads_every_earlier_one(
    encoder: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model("progressive", encoder=encoder, width=0.1))
    assert isinstance(model, Progressive)
    with torch.no_grad():
        before = model(image())
        for parameter in model.encoder_of("bbox").parameters():
            parameter.mul_(1.5)
        after = model(image())
    changed = {name for name in before if not torch.equal(before[name], after[name])}
    assert changed == set(ORDER[ORDER.index("bbox") :])


@pytest.mark.parametrize("name", ["segmentation", "bbox"])
def test_with_laterals_cut_a_column_trains_as_a_network_alone(
    name: str, encoder: str, make_model: Make
) -> None:
    """Outputs, gradients and running statistics of a training step, from the same weights."""
    whole = make_model("progressive", encoder=encoder, width=0.1).train()
    assert isinstance(whole, Progressive)
    cut(whole)
    alone = make_model("hard-sharing", (name,), encoder=encoder, width=0.1).train()
    alone.encoder.load_state_dict(whole.encoder_of(name).state_dict())
    for part in ("decoders", "heads"):
        if name in getattr(whole, part):
            getattr(alone, part)[name].load_state_dict(getattr(whole, part)[name].state_dict())
    outputs = []
    for network in (whole, alone):
        torch.manual_seed(0)  # dropout
        outputs.append(network(image(), (name,))[name])
        outputs[-1].square().sum().backward()
    assert torch.equal(*outputs)
    own, other = whole.encoder_of(name), alone.encoder
    for a, b in zip(own.parameters(), other.parameters(), strict=True):
        assert a.grad is not None
        assert b.grad is not None
        torch.testing.assert_close(a.grad, b.grad)
    for a, b in zip(own.buffers(), other.buffers(), strict=True):
        assert torch.equal(a, b)


def test_later_columns_are_not_computed(model: Progressive) -> None:
    ran: set[str] = set()
    for name, module in model.named_modules():
        if not list(module.children()):
            module.register_forward_hook(lambda *_, name=name: ran.add(name))
    model(image(), ("bbox",))
    assert not any("segmentation" in name or "classification" in name for name in ran)
    assert not any(name.startswith("encoder.") for name in ran)
    assert any(name.startswith("further.of_edges.") for name in ran)


@pytest.mark.parametrize("names", [("segmentation",), ("bbox",), ("edges", "classification")])
def test_pruned_it_answers_the_same(
    names: tuple[str, ...], encoder: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model("progressive", encoder=encoder, width=0.1))
    with torch.no_grad():
        before = model(image(), names)
        model.prune(names)
        after = model(image())
    assert set(after) == set(names)
    assert all(torch.equal(before[name], after[name]) for name in names)
    kept = {key.split(".")[1] for key, _ in model.named_parameters() if key.startswith("further.")}
    if names == ("bbox",):
        assert kept == {"of_edges", "of_bbox"}
        assert not any(key.startswith("encoder.") for key, _ in model.named_parameters())


def test_a_column_s_statistics_are_those_of_its_own_view(encoder: str, make_model: Make) -> None:
    """Also where it is computed in a later column's view."""
    both, alone = (make_model("progressive", encoder=encoder, width=0.1).train() for _ in range(2))
    assert isinstance(both, Progressive)
    assert isinstance(alone, Progressive)
    views = {"image": image(), "dark": 0.2 * image(seed=1)}
    routes = {
        "image": [Route("segmentation", "segmentation"), Route("bbox", "bbox")],
        "dark": [Route("edges", "edges"), Route("classification", "classification")],
    }
    both.forward_views(views, routes)
    alone(views["dark"], ("edges",))
    found, expected = both.encoder_of("edges").buffers(), alone.encoder_of("edges").buffers()
    assert all(torch.equal(a, b) for a, b in zip(found, expected, strict=True))
