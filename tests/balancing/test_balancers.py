"""What every balancer promises, over :data:`BALANCERS`, on losses whose gradients are known."""

from __future__ import annotations

import copy
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auxseg.balancing import BALANCERS, Balancer, Step

WEIGHTS = {"segmentation": 0.7, "classification": 0.1, "bbox": 0.2}
NAMES = tuple(WEIGHTS)
#: Those that remember something from step to step.
REMEMBERING = {"uncertainty", "dwa", "softadapt", "imtl-l", "famo"}
BY_GRADIENTS = [name for name, cls in BALANCERS.items() if cls.BY_GRADIENTS]
#: The weight of a task that is alone in the first step: softmax over one number, s = 0, and so on.
ALONE = {"fixed": 0.1, "equal": 1 / 3, "softadapt": 1 / 3}


@dataclass(frozen=True)
class Expected:
    """The plain gradient of one loss, by hand in double precision.

    Attributes:
        shared: by the shared parameters, flat.
        own: by the task's own.
    """

    shared: np.ndarray
    own: float


class Toy:
    """Losses L_t = scale_t (a_t·θ + φ_t − b_t)², with θ shared and φ_t the task's own.

    dL_t/dθ = 2 scale_t r_t a_t and dL_t/dφ_t = 2 scale_t r_t, r_t the residual.
    """

    def __init__(self, scales: Sequence[float] = (1.0, 3.0, 0.5)) -> None:
        draw = torch.Generator().manual_seed(3)
        # Two parameters of different shapes, so that cutting the shared gradient up is tested, too.
        self.shared = [nn.Parameter(torch.randn(shape, generator=draw)) for shape in [(2, 2), (3,)]]
        self.own = {name: nn.Parameter(torch.randn((), generator=draw)) for name in NAMES}
        self.directions = {name: torch.randn(7, generator=draw) for name in NAMES}
        self.targets = {name: torch.randn((), generator=draw) for name in NAMES}
        self.scales = dict(zip(NAMES, scales, strict=True))

    def parameters(self) -> list[nn.Parameter]:
        return [*self.shared, *self.own.values()]

    def predict(self, name: str) -> Tensor:
        theta = torch.cat([parameter.flatten() for parameter in self.shared])
        return self.directions[name] @ theta + self.own[name]

    def loss(self, name: str) -> Tensor:
        return self.scales[name] * (self.predict(name) - self.targets[name]).square()

    def satisfy(self, name: str) -> None:
        """Makes the loss of a task exactly 0."""
        self.targets[name] = self.predict(name).detach()

    def expected(self, name: str) -> Expected:
        theta = np.concatenate([p.detach().double().numpy().ravel() for p in self.shared])
        direction = self.directions[name].double().numpy()
        residual = direction @ theta + self.own[name].item() - self.targets[name].item()
        return Expected(
            2 * self.scales[name] * residual * direction, 2 * self.scales[name] * residual
        )

    def shared_gradient(self) -> np.ndarray:
        gradients = []
        for parameter in self.shared:
            assert parameter.grad is not None
            assert parameter.grad.shape == parameter.shape
            gradients.append(parameter.grad.double().numpy().ravel())
        return np.concatenate(gradients)

    def own_gradient(self, name: str) -> float:
        gradient = self.own[name].grad
        assert gradient is not None, name
        return gradient.item()


def differentiate(
    balancer: Balancer, toy: Toy, names: Sequence[str] = NAMES, seed: int = 0
) -> dict[str, float]:
    """One call of ``backward`` with the losses in this order; the weights that it tells."""
    for parameter in [*toy.parameters(), *balancer.parameters()]:
        parameter.grad = None
    losses = {name: toy.loss(name) for name in names}
    step = Step(
        losses=losses,
        values={name: loss.detach() for name, loss in losses.items()},
        shared=toy.shared,
        specific=list(toy.own.values()),
        backward=lambda total: total.backward(),
        average=lambda tensor: tensor,
    )
    torch.manual_seed(seed)
    weights = balancer.backward(step)
    for weight in weights.values():
        assert weight.shape == ()
        assert not weight.requires_grad
    return {name: weight.item() for name, weight in weights.items()}


@torch.no_grad()
def update(balancer: Balancer, toy: Toy, names: Sequence[str] = NAMES, rate: float = 0.01) -> None:
    """A gradient step for the toy and for what the balancer learns, and the look back."""
    for parameter in [*toy.parameters(), *balancer.parameters()]:
        if parameter.grad is not None:
            parameter -= rate * parameter.grad
    if balancer.LOOKS_BACK:
        balancer.look_back({name: toy.loss(name) for name in names})


def train(balancer: Balancer, toy: Toy, epochs: int, rate: float = 0.01) -> None:
    """Epochs of two steps."""
    for epoch in range(epochs):
        for number in range(2):
            differentiate(balancer, toy, seed=10 * epoch + number)
            update(balancer, toy, rate=rate)
        balancer.end_epoch()


def make(name: str, names: Collection[str] = NAMES) -> Balancer:
    return BALANCERS[name]({task: WEIGHTS[task] for task in names}, regression={"bbox"})


@pytest.fixture(params=list(BALANCERS))
def key(request: pytest.FixtureRequest) -> str:
    """Every balancer's name."""
    return str(request.param)


@pytest.fixture
def balancer(key: str) -> Balancer:
    return make(key)


def test_the_toy_s_tasks_conflict() -> None:
    """Else the gradient methods would have nothing to do in the tests below."""
    toy = Toy()
    gradients = [toy.expected(name).shared for name in NAMES]
    products = [gradients[i] @ gradients[j] for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(products) < 0 < max(products)


def test_every_parameter_gets_a_finite_gradient(balancer: Balancer) -> None:
    toy = Toy()
    differentiate(balancer, toy)
    assert np.isfinite(toy.shared_gradient()).all()
    assert np.abs(toy.shared_gradient()).min() > 0
    for name in NAMES:
        assert np.isfinite(toy.own_gradient(name))
        assert toy.own_gradient(name) != 0


def test_the_weights_told_are_those_of_the_update(key: str, balancer: Balancer) -> None:
    """Shared: Σ_t w_t g_t. Own: the plain gradient, times its weight if losses are weighted."""
    toy = Toy()
    train(balancer, toy, 3)
    weights = differentiate(balancer, toy)
    if key == "graddrop":  # a sum of parts of gradients
        assert weights == {}
        return
    assert weights.keys() == set(NAMES)
    expected = {name: toy.expected(name) for name in NAMES}
    total = sum(weights[name] * expected[name].shared for name in NAMES)
    # Terms may cancel: in proportion to the largest of them, then.
    largest = max(np.abs(weights[name] * expected[name].shared).max() for name in NAMES)
    np.testing.assert_allclose(toy.shared_gradient(), total, rtol=1e-4, atol=1e-5 * largest)
    for name in NAMES:
        factor = 1.0 if balancer.BY_GRADIENTS else weights[name]
        assert toy.own_gradient(name) == pytest.approx(factor * expected[name].own, rel=1e-4)


@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_methods_by_gradients_leave_a_task_s_own_parameters_the_plain_gradient(name: str) -> None:
    """Whatever the scale of its loss and whatever the others say."""
    toy, balancer = Toy((1.0, 300.0, 0.005)), make(name)
    for seed in range(3):
        differentiate(balancer, toy, seed=seed)
        for task in NAMES:
            assert toy.own_gradient(task) == pytest.approx(toy.expected(task).own, rel=1e-5)


def test_one_task_alone_gets_its_plain_gradient(key: str, balancer: Balancer) -> None:
    toy = Toy()
    weights = differentiate(balancer, toy, ["classification"])
    weight = ALONE.get(key, 1.0)
    assert weights == {"classification": pytest.approx(weight, rel=1e-6)}
    expected = toy.expected("classification")
    np.testing.assert_allclose(toy.shared_gradient(), weight * expected.shared, rtol=1e-5)
    assert toy.own_gradient("classification") == pytest.approx(weight * expected.own, rel=1e-5)
    update(balancer, toy, ["classification"])
    balancer.end_epoch()
    differentiate(balancer, toy, ["classification"])
    assert np.isfinite(toy.shared_gradient()).all()


def test_a_system_of_one_task_can_be_trained(key: str) -> None:
    toy, balancer = Toy(), make(key, ["bbox"])
    before = toy.loss("bbox").item()
    for number in range(6):
        differentiate(balancer, toy, ["bbox"])
        update(balancer, toy, ["bbox"])
        if number % 2:
            balancer.end_epoch()
    assert toy.loss("bbox").item() < before
    assert np.isfinite(toy.shared_gradient()).all()


def test_a_task_without_a_label_takes_no_part(key: str, balancer: Balancer) -> None:
    toy, present = Toy(), ["segmentation", "classification"]
    train(balancer, toy, 3)  # all tasks: there is something to remember of each
    before = copy.deepcopy(balancer.state_dict())
    weights = differentiate(balancer, toy, present)
    assert weights.keys() == (set() if key == "graddrop" else set(present))
    assert toy.own["bbox"].grad is None
    assert np.isfinite(toy.shared_gradient()).all()
    for name, parameter in balancer.named_parameters():
        # An optimiser moves what has a gradient of 0, too: by its momentum.
        assert (parameter.grad is None) == name.endswith("bbox"), name
    update(balancer, toy, present)
    assert entries_of("bbox", before) == entries_of("bbox", balancer.state_dict())
    balancer.end_epoch()
    after = balancer.state_dict()
    # The weights of the next epoch are made of what is remembered of all tasks.
    for state in (before, after):
        state.pop("current", None)
    assert entries_of("bbox", before) == entries_of("bbox", after)
    if before:
        assert entries_of("classification", before) != entries_of("classification", after)


def entries_of(task: str, state: dict[str, Tensor]) -> dict[str, list[float]]:
    """What a balancer's state holds about one task: a parameter or an entry per task."""
    found = {}
    for name, value in state.items():
        if value.ndim:
            assert value.shape[-1] == len(NAMES), name
            found[name] = value[..., NAMES.index(task)].flatten().tolist()
        elif name.endswith(f".{task}"):
            found[name.removesuffix(task)] = [value.item()]
    return found


@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_by_gradients_a_task_without_a_label_might_as_well_not_exist(name: str) -> None:
    present = ["segmentation", "bbox"]
    balancer, without, toy, twin = make(name), make(name, present), Toy(), Toy()
    assert differentiate(balancer, toy, present) == differentiate(without, twin, present)
    assert np.array_equal(toy.shared_gradient(), twin.shared_gradient())


def test_a_task_that_never_has_a_label_does_no_harm(balancer: Balancer) -> None:
    toy, present = Toy(), ["segmentation", "bbox"]
    for _ in range(4):
        for _ in range(2):
            weights = differentiate(balancer, toy, present)
            assert weights.keys() <= set(present)
            assert np.isfinite(toy.shared_gradient()).all()
            assert all(np.isfinite(weight) for weight in weights.values())
            update(balancer, toy, present)
        balancer.end_epoch()


def test_the_order_of_the_losses_does_not_matter(key: str, balancer: Balancer) -> None:
    """But to PCGrad, whose random order of the others is one of their places; of two, none."""
    names = NAMES[:2] if key == "pcgrad" else NAMES
    turned = tuple(reversed(names))
    toy, other, twin = Toy(), make(key), Toy()
    for number in range(6):
        weights = differentiate(balancer, toy, names, seed=number)
        others = differentiate(other, twin, turned, seed=number)
        assert others == pytest.approx(weights, rel=1e-3, abs=1e-5)
        expected = toy.shared_gradient()
        tolerance = 1e-4 * np.abs(expected).max()
        np.testing.assert_allclose(twin.shared_gradient(), expected, rtol=1e-3, atol=tolerance)
        for name in names:
            assert twin.own_gradient(name) == pytest.approx(toy.own_gradient(name), rel=1e-3)
        update(balancer, toy, names)
        update(other, twin, turned)
        if number % 2:
            balancer.end_epoch()
            other.end_epoch()


def test_the_same_seed_gives_the_same_update(balancer: Balancer) -> None:
    toy, twin = Toy(), Toy()
    assert differentiate(balancer, toy, seed=7) == differentiate(balancer, twin, seed=7)
    assert np.array_equal(toy.shared_gradient(), twin.shared_gradient())


def test_state_round_trip(key: str, balancer: Balancer) -> None:
    """In the middle of the third epoch, by which time all weights have moved."""
    toy = Toy()
    train(balancer, toy, 2)
    differentiate(balancer, toy)
    update(balancer, toy)
    loaded, forgetful = make(key), make(key)
    loaded.load_state_dict(copy.deepcopy(balancer.state_dict()))
    assert bool(balancer.state_dict()) == (key in REMEMBERING)
    twin, third = copy.deepcopy(toy), copy.deepcopy(toy)
    differ = False
    for number in range(5):
        expected = differentiate(balancer, toy, seed=number)
        assert differentiate(loaded, twin, seed=number) == expected
        assert np.array_equal(twin.shared_gradient(), toy.shared_gradient())
        differ |= differentiate(forgetful, third, seed=number) != expected
        for one, its in ((balancer, toy), (loaded, twin), (forgetful, third)):
            update(one, its)
            if number % 2:
                one.end_epoch()
    state, other = balancer.state_dict(), loaded.state_dict()
    assert state.keys() == other.keys()
    assert all(torch.equal(state[name], other[name]) for name in state)
    assert differ == (key in REMEMBERING)


@pytest.mark.parametrize("zero", [("bbox",), ("classification", "bbox"), NAMES], ids=len)
def test_a_loss_of_zero_gives_no_nan(zero: tuple[str, ...], key: str, balancer: Balancer) -> None:
    toy = Toy()
    for name in zero:
        toy.satisfy(name)
    for number in range(6):
        weights = differentiate(balancer, toy, seed=number)
        assert all(np.isfinite(weight) for weight in weights.values())
        assert all_finite_gradients(toy)
        update(balancer, toy, rate=0.0)  # else the others move the zero away
        if number % 2:
            balancer.end_epoch()
    assert all(bool(torch.isfinite(value).all()) for value in balancer.state_dict().values())
    if len(zero) == len(NAMES):
        assert np.abs(toy.shared_gradient()).max() == 0


def all_finite_gradients(toy: Toy) -> bool:
    gradients = [toy.shared_gradient(), *(toy.own_gradient(name) for name in NAMES)]
    return all(bool(np.isfinite(gradient).all()) for gradient in gradients)


@pytest.mark.parametrize(
    "scales",
    [(1e10, 1.0, 1e-10), (1e10, 1e10, 1e10), (1e-10, 1e-10, 1e-10)],
    ids=["apart", "huge", "tiny"],
)
def test_huge_and_tiny_losses_stay_finite(scales: tuple[float, ...], balancer: Balancer) -> None:
    toy = Toy(scales)
    for number in range(6):
        weights = differentiate(balancer, toy, seed=number)
        assert all(np.isfinite(weight) for weight in weights.values())
        assert all_finite_gradients(toy)
        update(balancer, toy, rate=1e-12)
        if number % 2:
            balancer.end_epoch()
    assert all(bool(torch.isfinite(value).all()) for value in balancer.state_dict().values())


@pytest.mark.parametrize("name", BY_GRADIENTS)
def test_methods_by_gradients_combine_the_mean_over_all_processes(name: str) -> None:
    """Shared and own gradients alike; here a second one adds nothing, which halves them all."""
    alone, together, toy, twin = make(name), make(name), Toy((0.5, 1.5, 0.25)), Toy()
    weights = differentiate(alone, toy)
    losses = {task: twin.loss(task) for task in NAMES}
    step = Step(
        losses,
        {task: loss.detach() for task, loss in losses.items()},
        twin.shared,
        list(twin.own.values()),
        backward=lambda total: pytest.fail("a method by gradients differentiates by itself"),
        average=lambda tensor: tensor / 2,
    )
    torch.manual_seed(0)
    found = {task: weight.item() for task, weight in together.backward(step).items()}
    assert found == pytest.approx(weights, rel=1e-5)
    np.testing.assert_allclose(twin.shared_gradient(), toy.shared_gradient(), rtol=1e-5)
    for task in NAMES:
        assert twin.own_gradient(task) == pytest.approx(toy.own_gradient(task), rel=1e-6)
