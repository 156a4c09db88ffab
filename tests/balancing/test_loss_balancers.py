"""Balancers by losses: their weights and gradients against numbers worked by hand."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from auxseg.balancing import BALANCERS, Balancer, Step
from auxseg.balancing.dwa import DWA
from auxseg.balancing.equal import Equal
from auxseg.balancing.famo import FAMO
from auxseg.balancing.fixed import Fixed
from auxseg.balancing.geometric import Geometric
from auxseg.balancing.imtl_l import ImtlL
from auxseg.balancing.learned import LearnedBalancer
from auxseg.balancing.random_weights import RandomWeights
from auxseg.balancing.softadapt import SoftAdapt
from auxseg.balancing.uncertainty import Uncertainty
from auxseg.errors import UsageError

WEIGHTS = {"a": 0.7, "b": 0.1, "c": 0.2}
LOSS_BALANCERS = [name for name, cls in BALANCERS.items() if not cls.BY_GRADIENTS]


class Taken:
    """One step on losses that are leaves: their gradients are the weights that really acted.

    Attributes:
        weights: those that the balancer told.
        acted: the derivative of what was minimised by each loss.
        total: what was minimised.
    """

    def __init__(
        self, balancer: Balancer, everywhere: Mapping[str, float] | None = None, **values: float
    ) -> None:
        """Takes the step; ``everywhere`` are the losses over all processes, if not these."""
        losses = {
            name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
            for name, value in values.items()
        }
        told = {
            name: torch.tensor(value, dtype=torch.float64)
            for name, value in (values if everywhere is None else everywhere).items()
        }
        totals: list[Tensor] = []

        def backward(total: Tensor) -> None:
            totals.append(total.detach())
            total.backward()

        balancer.zero_grad(set_to_none=True)
        weights = balancer.backward(Step(losses, told, [], [], backward, lambda tensor: tensor))
        assert len(totals) == 1
        self.total = totals[0].item()
        self.weights = {name: weight.item() for name, weight in weights.items()}
        self.acted: dict[str, float] = {}
        for name, loss in losses.items():
            assert loss.grad is not None
            self.acted[name] = loss.grad.item()


def softmax(numbers: Sequence[float]) -> list[float]:
    powers = [math.exp(number) for number in numbers]
    return [power / sum(powers) for power in powers]


def close(expected: Mapping[str, float], rel: float = 1e-5) -> object:
    return pytest.approx(dict(expected), rel=rel)


def epoch(balancer: Balancer, **losses: float) -> dict[str, float]:
    """Two steps whose losses have these means; the weights, which hold for both."""
    first = Taken(balancer, **{name: 0.5 * value for name, value in losses.items()})
    second = Taken(balancer, **{name: 1.5 * value for name, value in losses.items()})
    assert first.weights == second.weights
    assert first.acted == close(first.weights)
    balancer.end_epoch()
    return second.weights


# -- constant and random weights ------------------------------------------------------------------


def test_fixed_by_hand() -> None:
    taken = Taken(Fixed(WEIGHTS), a=1.0, b=2.0, c=3.0)
    assert taken.weights == taken.acted == close({"a": 0.7, "b": 0.1, "c": 0.2})
    assert taken.total == pytest.approx(0.7 * 1 + 0.1 * 2 + 0.2 * 3)
    assert Taken(Fixed(WEIGHTS), a=1.0, b=2.0).total == pytest.approx(0.7 + 0.2)


def test_a_fixed_weight_of_zero_switches_a_task_off() -> None:
    taken = Taken(Fixed(WEIGHTS | {"c": 0.0}), a=1.0, b=2.0, c=3.0)
    assert taken.acted["c"] == 0
    assert taken.total == pytest.approx(0.9)


def test_equal_by_hand() -> None:
    """A third each, also where a task has no label: its neighbours do not gain by that."""
    taken = Taken(Equal(WEIGHTS), a=1.0, b=2.0, c=3.0)
    assert taken.weights == taken.acted == close(dict.fromkeys("abc", 1 / 3))
    assert taken.total == pytest.approx(2.0)
    assert Taken(Equal(WEIGHTS), a=1.0, b=2.0).total == pytest.approx(1.0)


@pytest.mark.parametrize("name", LOSS_BALANCERS)
def test_the_configured_weights_matter_to_fixed_alone(name: str) -> None:
    def totals(weights: dict[str, float]) -> list[float]:
        balancer = BALANCERS[name](weights)
        torch.manual_seed(0)
        return [Taken(balancer, a=1.0, b=2.0, c=4.0).total for _ in range(3)]

    same = totals(WEIGHTS) == totals(dict.fromkeys(WEIGHTS, 5.0))
    assert same == (name != "fixed")
    assert same != BALANCERS[name].USES_WEIGHTS


def test_random_weights_are_the_softmax_of_normal_numbers() -> None:
    torch.manual_seed(5)
    drawn = torch.randn(6).tolist()
    torch.manual_seed(5)
    balancer = RandomWeights(WEIGHTS)
    for numbers in (drawn[:3], drawn[3:]):  # anew in every step
        taken = Taken(balancer, a=1.0, b=2.0, c=3.0)
        assert taken.weights == close(dict(zip("abc", softmax(numbers), strict=True)))
        assert taken.acted == close(taken.weights)
        assert sum(taken.weights.values()) == pytest.approx(1)


def test_random_weights_are_the_same_on_all_processes() -> None:
    """Each has losses of its own; the generators are seeded alike."""
    found = []
    for losses in ({"a": 1.0, "b": 2.0, "c": 3.0}, {"c": 0.3, "a": 0.1, "b": 9.0}):
        torch.manual_seed(8)
        found.append(Taken(RandomWeights(WEIGHTS), **losses).weights)
    assert found[0] == found[1]


def test_a_random_weight_belongs_to_a_task_whatever_else_is_labelled() -> None:
    torch.manual_seed(5)
    drawn = torch.randn(3).tolist()
    torch.manual_seed(5)
    taken = Taken(RandomWeights(WEIGHTS), c=3.0, a=1.0)
    first, last = softmax([drawn[0], drawn[2]])
    assert taken.weights == close({"a": first, "c": last})


# -- learned weights ------------------------------------------------------------------------------


def scalar(balancer: LearnedBalancer, name: str) -> nn.Parameter:
    parameter = balancer.s[name]
    assert isinstance(parameter, nn.Parameter)
    return parameter


def set_scalars(balancer: LearnedBalancer, **values: float) -> None:
    with torch.no_grad():
        for name, value in values.items():
            scalar(balancer, name).fill_(value)


def descend(balancer: LearnedBalancer, rate: float) -> None:
    with torch.no_grad():
        for parameter in balancer.parameters():
            if parameter.grad is not None:
                parameter -= rate * parameter.grad


def gradients(balancer: LearnedBalancer) -> dict[str, float]:
    """d(total)/ds of the tasks that have one."""
    found = {}
    for name in balancer.names:
        gradient = scalar(balancer, name).grad
        if gradient is not None:
            found[name] = gradient.item()
    return found


def test_uncertainty_by_hand() -> None:
    """a = 1 for cross-entropies, ½ for the regression c."""
    balancer = Uncertainty(WEIGHTS, regression={"c"})
    first = Taken(balancer, a=2.0, b=3.0, c=4.0)
    assert first.weights == first.acted == close({"a": 1.0, "b": 1.0, "c": 0.5})
    assert first.total == pytest.approx(2 + 3 + 2)
    assert gradients(balancer) == close({"a": -1.5, "b": -2.5, "c": -1.5})
    set_scalars(balancer, a=math.log(2), b=math.log(4), c=-math.log(3))
    later = Taken(balancer, a=2.0, b=3.0, c=4.0)
    assert later.weights == later.acted == close({"a": 1 / 2, "b": 1 / 4, "c": 3 / 2})
    penalty = 0.5 * (math.log(2) + math.log(4) - math.log(3))
    assert later.total == pytest.approx(1 + 0.75 + 6 + penalty)
    # −a e^{−s} L + ½
    assert gradients(balancer) == close({"a": -0.5, "b": -0.25, "c": -5.5})


@pytest.mark.parametrize("cls", [Uncertainty, ImtlL])
def test_learned_weights_over_several_steps_with_a_gap(cls: type[LearnedBalancer]) -> None:
    """Plain descent of s, in Python numbers beside it; b has no label in every second step."""
    balancer, s = cls(WEIGHTS, regression={"c"}), dict.fromkeys("abc", 0.0)
    factor = {"a": 1.0, "b": 1.0, "c": 0.5}
    for number in range(6):
        losses = {"a": 2.0 / (number + 1), "b": 0.3, "c": 4.0}
        if number % 2:
            del losses["b"]
        taken = Taken(balancer, **losses)
        if cls is Uncertainty:
            weights = {name: factor[name] * math.exp(-s[name]) for name in losses}
            slopes = {name: 0.5 - weights[name] * loss for name, loss in losses.items()}
            penalty = sum(0.5 * s[name] for name in losses)
        else:
            weights = {name: math.exp(s[name]) for name in losses}
            slopes = {name: weights[name] * loss - 1 for name, loss in losses.items()}
            penalty = -sum(s[name] for name in losses)
        assert taken.weights == taken.acted == close(weights)
        weighted = sum(weights[name] * loss for name, loss in losses.items())
        assert taken.total == pytest.approx(weighted + penalty, rel=1e-5)
        assert gradients(balancer) == pytest.approx(slopes, rel=1e-5, abs=1e-6)
        descend(balancer, 0.1)
        for name, slope in slopes.items():
            s[name] -= 0.1 * slope


@pytest.mark.parametrize(("cls", "share"), [(Uncertainty, 0.5), (ImtlL, 1.0)])
def test_at_the_optimum_all_tasks_have_the_same_share_whatever_their_scale(
    cls: type[LearnedBalancer], share: float
) -> None:
    balancer, losses = cls(WEIGHTS, regression={"c"}), {"a": 0.2, "b": 1.0, "c": 5.0}
    for _ in range(150):
        taken = Taken(balancer, **losses)
        descend(balancer, 0.2)
    for name, loss in losses.items():
        assert taken.weights[name] * loss == pytest.approx(share, rel=1e-3)


def test_imtl_l_by_hand() -> None:
    balancer = ImtlL(WEIGHTS)
    first = Taken(balancer, a=2.0, b=3.0, c=0.5)
    assert first.weights == first.acted == close(dict.fromkeys("abc", 1.0))
    assert first.total == pytest.approx(5.5)
    assert gradients(balancer) == close({"a": 1.0, "b": 2.0, "c": -0.5})
    set_scalars(balancer, a=-math.log(2), b=math.log(3), c=math.log(2))
    later = Taken(balancer, a=2.0, b=3.0, c=0.5)
    assert later.weights == later.acted == close({"a": 0.5, "b": 3.0, "c": 2.0})
    assert later.total == pytest.approx(1 + 9 + 1 + math.log(2) - math.log(3) - math.log(2))
    assert gradients(balancer) == pytest.approx({"a": 0.0, "b": 8.0, "c": 0.0}, abs=1e-6)


@pytest.mark.parametrize("cls", [Uncertainty, ImtlL])
def test_the_mean_of_two_processes_gradients_is_that_of_the_mean_loss(
    cls: type[LearnedBalancer],
) -> None:
    """Lightning averages the processes' gradients: of s, too, of which each process has a part."""
    balancer = cls(WEIGHTS, regression={"c"})
    set_scalars(balancer, a=0.3, b=-0.2, c=0.1)
    own = [{"a": 1.0, "b": 2.0, "c": 4.0}, {"a": 3.0, "b": 0.0, "c": 1.0}]
    mean = {"a": 2.0, "b": 1.0, "c": 2.5}
    found = []
    for losses in own:
        Taken(balancer, everywhere=mean, **losses)
        found.append(gradients(balancer))
    Taken(balancer, **mean)
    expected = gradients(balancer)
    for name in "abc":
        assert (found[0][name] + found[1][name]) / 2 == pytest.approx(expected[name], rel=1e-5)


# -- weights from the epochs before ---------------------------------------------------------------


@pytest.mark.parametrize("temperature", [2.0, 0.5])
def test_dwa_by_hand(temperature: float) -> None:
    """Five epochs; c has no label in the third: its ratio stays, the others' moves on."""
    balancer = DWA(WEIGHTS, temperature=temperature)

    def expected(*ratios: float) -> object:
        shares = softmax([ratio / temperature for ratio in ratios])
        return close({name: 3 * share for name, share in zip("abc", shares, strict=True)})

    assert epoch(balancer, a=1.0, b=2.0, c=4.0) == dict.fromkeys("abc", 1.0)
    assert epoch(balancer, a=0.5, b=2.0, c=3.0) == dict.fromkeys("abc", 1.0)
    third = epoch(balancer, a=0.25, b=1.0)
    a, b, _ = softmax([0.5 / temperature, 1 / temperature, 0.75 / temperature])
    assert third == close({"a": 3 * a, "b": 3 * b})
    fourth = epoch(balancer, a=0.25, b=0.5, c=6.0)
    assert fourth == expected(0.5, 0.5, 0.75)
    assert sum(fourth.values()) == pytest.approx(3)
    # c: from 3 in its last epoch but one (the second) to 6.
    assert epoch(balancer, a=1.0, b=1.0, c=1.0) == expected(1.0, 0.5, 2.0)


def test_dwa_s_default_temperature_is_the_published_two() -> None:
    balancer = DWA(WEIGHTS)
    epoch(balancer, a=1.0, b=2.0, c=4.0)
    epoch(balancer, a=3.0, b=1.0, c=4.0)
    a, b, c = softmax([1.5, 0.25, 0.5])
    assert epoch(balancer, a=1.0, b=1.0, c=1.0) == close({"a": 3 * a, "b": 3 * b, "c": 3 * c})


def test_dwa_takes_a_task_without_two_epochs_for_one_that_stands_still() -> None:
    balancer = DWA(WEIGHTS)
    epoch(balancer, a=1.0, b=2.0)
    epoch(balancer, a=0.5, b=2.0, c=9.0)
    a, b, c = softmax([0.25, 0.5, 0.5])
    assert epoch(balancer, a=1.0, b=1.0, c=1.0) == close({"a": 3 * a, "b": 3 * b, "c": 3 * c})


def test_an_epoch_s_mean_runs_over_the_steps_in_which_a_task_had_a_label() -> None:
    balancer = DWA(WEIGHTS)
    epoch(balancer, a=1.0, b=1.0, c=1.0)
    for losses in ({"a": 1.0, "b": 4.0, "c": 1.0}, {"a": 2.0, "b": 2.0}, {"a": 3.0, "b": 0.0}):
        Taken(balancer, **losses)
    balancer.end_epoch()  # means 2, 2 and 1
    a, b, c = softmax([1.0, 1.0, 0.5])
    assert epoch(balancer, a=1.0, b=1.0, c=1.0) == close({"a": 3 * a, "b": 3 * b, "c": 3 * c})


#: Mean losses of four epochs, and the least-squares slopes over the last two, three and four.
LOSSES = {"a": (4.0, 3.0, 1.0, 0.5), "b": (1.0, 1.5, 1.0, 2.0), "c": (0.5, 0.5, 0.7, 0.8)}
SLOPES = {
    # Window: the slopes of a, b and c by which the third, fourth and fifth epoch are weighted.
    2: ((-1.0, 0.5, 0.0), (-2.0, -0.5, 0.2), (-0.5, 1.0, 0.1)),
    # Of three points it is half the difference of the outer ones.
    3: ((-1.0, 0.5, 0.0), (-1.5, 0.0, 0.1), (-1.25, 0.25, 0.15)),
    # Of four points (−3 L₁ − L₂ + L₃ + 3 L₄) / 10.
    4: ((-1.0, 0.5, 0.0), (-1.5, 0.0, 0.1), (-1.25, 0.25, 0.11)),
}


@pytest.mark.parametrize("window", SLOPES)
@pytest.mark.parametrize("variant", ["plain", "normalised", "loss-weighted"])
@pytest.mark.parametrize("beta", [0.1, 2.0])
def test_softadapt_by_hand(window: int, variant: str, beta: float) -> None:
    balancer = SoftAdapt(WEIGHTS, variant=variant, beta=beta, window=window)
    for number in range(5):
        losses = {name: values[min(number, 3)] for name, values in LOSSES.items()}
        weights = epoch(balancer, **losses)
        assert sum(weights.values()) == pytest.approx(1)
        if number < 2:
            assert weights == close(dict.fromkeys("abc", 1 / 3))
            continue
        slopes = SLOPES[window][number - 2]
        if variant == "normalised":
            slopes = tuple(slope / sum(map(abs, slopes)) for slope in slopes)
        expected = [math.exp(beta * slope) for slope in slopes]
        if variant == "loss-weighted":
            expected = [
                one * values[number - 1]
                for one, values in zip(expected, LOSSES.values(), strict=True)
            ]
        shares = {n: one / sum(expected) for n, one in zip("abc", expected, strict=True)}
        assert weights == close(shares)


def test_softadapt_s_defaults() -> None:
    """Plain, β = 0.1 and a window of three."""
    balancer, other = (
        SoftAdapt(WEIGHTS),
        SoftAdapt(WEIGHTS, variant="plain", beta=0.1, window=3),
    )
    for number in range(4):
        losses = {name: values[number] for name, values in LOSSES.items()}
        assert epoch(balancer, **losses) == epoch(other, **losses)
    a, b, c = softmax([-0.125, 0.025, 0.015])
    assert epoch(balancer, a=1.0, b=1.0, c=1.0) == close({"a": a, "b": b, "c": c})


@pytest.mark.parametrize("variant", ["plain", "normalised", "loss-weighted"])
def test_softadapt_with_a_task_unlabelled_for_an_epoch(variant: str) -> None:
    """c's slope is over its own epochs with a label, here the first and the third."""
    balancer = SoftAdapt(WEIGHTS, variant=variant, beta=1.0, window=2)
    epoch(balancer, a=2.0, b=1.0, c=1.0)
    epoch(balancer, a=1.0, b=1.0)
    assert epoch(balancer, a=1.0, b=2.0, c=4.0) == close(dict.fromkeys("abc", 1 / 3))
    slopes = (0.0, 1.0, 3.0)
    if variant == "normalised":
        expected = softmax([slope / 4 for slope in slopes])
    elif variant == "plain":
        expected = softmax(slopes)
    else:
        raw = [loss * math.exp(s) for loss, s in zip((1.0, 2.0, 4.0), slopes, strict=True)]
        expected = [one / sum(raw) for one in raw]
    found = epoch(balancer, a=1.0, b=1.0, c=1.0)
    assert found == close(dict(zip("abc", expected, strict=True)))


# -- the geometric mean ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    "losses", [{"a": 1.0, "b": 2.0, "c": 4.0}, {"a": 0.3, "c": 50.0}, {"b": 1e-3, "a": 7.0}]
)
def test_geometric_has_the_gradient_of_the_geometric_mean(losses: dict[str, float]) -> None:
    leaves = {
        name: torch.tensor(value, dtype=torch.float64, requires_grad=True)
        for name, value in losses.items()
    }
    torch.stack([leaf.log() for leaf in leaves.values()]).mean().exp().backward()
    taken = Taken(Geometric(WEIGHTS), **losses)
    assert taken.acted == close(
        {name: leaf.grad.item() for name, leaf in leaves.items() if leaf.grad is not None}
    )
    assert taken.weights == close(taken.acted)


def test_geometric_by_hand() -> None:
    """GM = ∛8 = 2; w = 2 / (3 L)."""
    taken = Taken(Geometric(WEIGHTS), a=1.0, b=2.0, c=4.0)
    assert taken.weights == close({"a": 2 / 3, "b": 1 / 3, "c": 1 / 6})
    assert taken.total == pytest.approx(2.0)


@pytest.mark.parametrize("name", ["geometric", "famo"])
def test_weights_come_from_the_losses_over_all_processes(name: str) -> None:
    """Else every process would minimise something else."""
    mean = {"a": 1.0, "b": 2.0, "c": 4.0}
    expected = Taken(BALANCERS[name](WEIGHTS), **mean).weights
    taken = Taken(BALANCERS[name](WEIGHTS), everywhere=mean, a=0.5, b=9.0, c=1.0)
    assert taken.weights == taken.acted == close(expected)


# -- FAMO -----------------------------------------------------------------------------------------


class FamoReference:
    """The authors' algorithm in double precision: their loss, autograd and torch's own Adam.

    ξ is a parameter per task: Adam leaves those alone that have no gradient.
    """

    def __init__(self, lr: float, decay: float) -> None:
        self.xi = {name: nn.Parameter(torch.zeros((), dtype=torch.float64)) for name in "abc"}
        self.adam = torch.optim.Adam(self.xi.values(), lr=lr, weight_decay=decay)

    def share(self, names: Sequence[str]) -> Tensor:
        return torch.stack([self.xi[name] for name in names]).softmax(dim=0)

    def weights(self, losses: Mapping[str, float]) -> dict[str, float]:
        """The gradient of their loss Σ z log(L) / c, c = Σ z / L, by each L."""
        values = torch.tensor(list(losses.values()), dtype=torch.float64, requires_grad=True)
        share = self.share(list(losses)).detach()
        constant = (share / values).sum().detach()
        ((values.log() * share).sum() / constant).backward()
        assert values.grad is not None
        return dict(zip(losses, values.grad.tolist(), strict=True))

    def look_back(self, before: Mapping[str, float], after: Mapping[str, float]) -> None:
        delta = [math.log(before[name]) - math.log(after[name]) for name in before]
        self.adam.zero_grad(set_to_none=True)
        self.share(list(before)).backward(torch.tensor(delta, dtype=torch.float64))
        self.adam.step()


def entries(balancer: Balancer, position: int) -> dict[str, float]:
    return {name: value[position].item() for name, value in balancer.state_dict().items()}


@pytest.mark.parametrize(("lr", "decay"), [(0.025, 1e-3), (0.3, 0.5), (0.1, 0.0)])
def test_famo_against_the_authors_algorithm(lr: float, decay: float) -> None:
    """Twelve steps; b has no label in some, c none in others."""
    balancer, reference = FAMO(WEIGHTS, lr=lr, decay=decay), FamoReference(lr, decay)
    draw = np.random.default_rng(0)
    for number in range(12):
        absent = {3: "b", 4: "b", 7: "c", 10: "b"}.get(number, "")
        names = [name for name in "abc" if name != absent]
        before = {name: float(draw.uniform(0.1, 3)) for name in names}
        after = {name: value * float(draw.uniform(0.6, 1.1)) for name, value in before.items()}
        taken = Taken(balancer, **before)
        assert taken.weights == taken.acted == close(reference.weights(before), rel=1e-4)
        assert sum(taken.weights.values()) == pytest.approx(1)
        kept = entries(balancer, "abc".index(absent)) if absent else {}
        balancer.look_back({name: torch.tensor(value) for name, value in after.items()})
        reference.look_back(before, after)
        if absent:
            assert entries(balancer, "abc".index(absent)) == kept
        expected = [parameter.item() for parameter in reference.xi.values()]
        assert balancer.xi.tolist() == pytest.approx(expected, rel=1e-3, abs=1e-5)
    assert balancer.steps.tolist() == [12, 9, 11]
    assert balancer.xi.abs().min() > 0.1 * lr  # far above the tolerance


def test_famo_s_defaults_are_the_authors_() -> None:
    balancer, reference = FAMO(WEIGHTS), FamoReference(lr=0.025, decay=1e-3)
    before, after = {"a": 1.0, "b": 2.0, "c": 3.0}, {"a": 0.5, "b": 1.8, "c": 3.3}
    for _ in range(40):
        Taken(balancer, **before)
        balancer.look_back({name: torch.tensor(value) for name, value in after.items()})
        reference.look_back(before, after)
    expected = [parameter.item() for parameter in reference.xi.values()]
    assert balancer.xi.tolist() == pytest.approx(expected, rel=1e-3)


def test_famo_s_first_step_by_hand() -> None:
    """z = ⅓ each, so w ∝ 1/L; Adam's first step is lr along the sign, up for who improved least."""
    balancer = FAMO(WEIGHTS)
    taken = Taken(balancer, a=1.0, b=2.0, c=4.0)
    assert taken.weights == close({"a": 4 / 7, "b": 2 / 7, "c": 1 / 7})
    balancer.look_back({"a": torch.tensor(0.5), "b": torch.tensor(2.0), "c": torch.tensor(3.9)})
    assert balancer.xi.tolist() == pytest.approx([-0.025, 0.025, 0.025], rel=1e-4)


def test_only_famo_looks_back() -> None:
    assert [name for name, cls in BALANCERS.items() if cls.LOOKS_BACK] == ["famo"]


# -- wrong options --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("cls", "option", "value"),
    [
        *((cls, "lr_factor", value) for cls in (Uncertainty, ImtlL) for value in (0.0, -1.0)),
        (Uncertainty, "lr_factor", math.nan),
        (DWA, "temperature", 0.0),
        (DWA, "temperature", -2.0),
        (DWA, "temperature", math.nan),
        (SoftAdapt, "variant", "other"),
        (SoftAdapt, "window", 1),
        (FAMO, "lr", 0.0),
        (FAMO, "decay", -1e-3),
    ],
)
def test_a_wrong_option_is_named(cls: type[Balancer], option: str, value: object) -> None:
    with pytest.raises(UsageError, match=f"training.balancer_options.{option}"):
        cls(WEIGHTS, **{option: value})
