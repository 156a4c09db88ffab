"""Every balancer in training steps without Lightning: weights, memory, stops, missing labels."""

from __future__ import annotations

import io
import math
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest
import torch
from torch import Tensor

from auxseg import assembly
from auxseg.api import configure
from auxseg.balancing import BALANCERS, Balancer
from auxseg.config import Config
from auxseg.models import MultiTaskModel
from auxseg.tasks import Task
from auxseg.training.optimizer import make_optimizer
from auxseg.training.step import Outcome, losses_after, training_step
from auxseg.types import Batch, ClassNames, LabelledImages

TASKS = ("segmentation", "classification", "bbox")
CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
LR = 3e-4
Images = Callable[..., LabelledImages]


@dataclass
class Training:
    """One system on its way; an epoch is one step, so that what looks at epochs moves."""

    config: Config
    tasks: dict[str, Task]
    model: MultiTaskModel
    balancer: Balancer
    optimizer: torch.optim.Optimizer
    taken: int = 0

    @classmethod
    def start(cls, name: str) -> Training:
        config = configure("segnet-3task", weights="none", width=0.05, balancer=name)
        tasks = assembly.make_tasks(config, CLASSES)
        model, balancer = assembly.make_model(config, tasks), assembly.make_balancer(config, tasks)
        optimizer = make_optimizer(model, balancer, config.training)
        return cls(config, tasks, model.train(), balancer, optimizer)

    def step(self, batch: Batch) -> Outcome:
        seed = self.taken
        found = training_step(
            *(self.model, self.tasks, self.balancer, batch), dropout_seed=seed, balancer_seed=seed
        )
        self.optimizer.step()
        if self.balancer.LOOKS_BACK:
            after = losses_after(self.model, self.tasks, batch, dropout_seed=seed)
            self.balancer.look_back(after)
        self.balancer.end_epoch()
        self.taken += 1
        return found

    def stop(self) -> bytes:
        stream = io.BytesIO()
        parts = (self.model, self.balancer, self.optimizer)
        torch.save([*(part.state_dict() for part in parts), self.taken], stream)
        return stream.getvalue()

    def resume(self, state: bytes) -> None:
        model, balancer, optimizer, self.taken = torch.load(io.BytesIO(state), weights_only=True)
        self.model.load_state_dict(model)
        self.balancer.load_state_dict(balancer)
        self.optimizer.load_state_dict(optimizer)

    def numbers(self) -> dict[str, Tensor]:
        return {**self.model.state_dict(), **self.balancer.state_dict(prefix="balancer.")}


@pytest.fixture(scope="module")
def batch(random_images: Images) -> Batch:
    return prepared(random_images(count=4, size=32))


def prepared(images: LabelledImages) -> Batch:
    config = configure("segnet-3task", weights="none")
    views = assembly.make_views(config, assembly.make_tasks(config, CLASSES))
    return assembly.Prepare(views, augment=None, seed=0)(images)


def outcomes(name: str, batch: Batch, count: int = 3) -> list[Outcome]:
    training = Training.start(name)
    return [training.step(batch) for _ in range(count)]


def weights_of(name: str, batch: Batch, count: int = 3) -> list[list[float]]:
    return [
        [float(found.weights[task]) for task in TASKS] for found in outcomes(name, batch, count)
    ]


# -- stopped and resumed --------------------------------------------------------------------------


@pytest.mark.parametrize("name", BALANCERS)
def test_stopped_and_resumed_it_goes_on_as_if_never_stopped(name: str, batch: Batch) -> None:
    """Network, balancer and optimiser, to the last bit."""
    straight, other = Training.start(name), Training.start(name)
    for _ in range(2):
        straight.step(batch)
    other.resume(straight.stop())
    assert straight.step(batch).values == other.step(batch).values
    found, expected = other.numbers(), straight.numbers()
    assert found.keys() == expected.keys()
    for key, value in expected.items():
        torch.testing.assert_close(found[key], value, rtol=0, atol=0, equal_nan=True)


@pytest.mark.parametrize("name", BALANCERS)
def test_its_state_holds_all_that_it_remembers(name: str, batch: Batch) -> None:
    """All of it moved, or the test above would prove nothing."""
    training = Training.start(name)
    fresh = {key: value.clone() for key, value in training.balancer.state_dict().items()}
    for _ in range(3):
        training.step(batch)
    for key, value in training.balancer.state_dict().items():
        assert bool(torch.isfinite(value).all()), key
        # Sums of the epoch start anew with every epoch.
        assert torch.equal(value, fresh[key]) == (key in ("total", "count")), key


# -- weights --------------------------------------------------------------------------------------


def test_the_weights_of_fixed_are_the_paper_s(batch: Batch) -> None:
    for weights in weights_of("fixed", batch):
        assert weights == pytest.approx([0.7, 0.1, 0.2])


def test_the_weights_of_equal_are_a_third(batch: Batch) -> None:
    for weights in weights_of("equal", batch):
        assert weights == pytest.approx([1 / 3] * 3, rel=1e-5)


@pytest.mark.parametrize(
    ("name", "total"),
    [("random", 1), ("softadapt", 1), ("famo", 1), ("mgda", 1), ("imtl-g", 1), ("dwa", 3)],
)
def test_weights_that_have_a_fixed_sum(name: str, total: float, batch: Batch) -> None:
    rows = weights_of(name, batch)
    assert [sum(row) for row in rows] == pytest.approx([total] * len(rows), rel=1e-4)
    assert rows[-1] != rows[0]


@pytest.mark.parametrize("name", ["dwa", "softadapt"])
def test_weights_from_former_epochs_move_in_the_third(name: str, batch: Batch) -> None:
    first, second, third = weights_of(name, batch)
    assert first == second
    assert all(a != b for a, b in zip(second, third, strict=True))


#: Where a_t L_t > ½ (uncertainty), L_t > 1 (IMTL-L), s rises or falls; a of a squared error is ½.
@pytest.mark.parametrize(
    ("name", "starts", "falls"),
    [
        ("uncertainty", (1.0, 1.0, 0.5), lambda start, loss: start * loss > 0.5),
        ("imtl-l", (1.0, 1.0, 1.0), lambda start, loss: loss > 1),
    ],
)
def test_learned_weights_start_at_one_or_a_half_and_move_at_the_network_s_rate(
    name: str,
    starts: tuple[float, ...],
    falls: Callable[[float, float], bool],
    batch: Batch,
) -> None:
    """The box's squared error is the regression of the three. Adam's first step is the rate."""
    first, second = outcomes(name, batch, 2)
    assert [float(first.weights[task]) for task in TASKS] == list(starts)
    for task, start in zip(TASKS, starts, strict=True):
        sign = -1 if falls(start, float(first.values[task])) else 1
        expected = start * math.exp(sign * LR)
        assert float(second.weights[task]) == pytest.approx(expected, rel=3e-6), task


def test_the_weights_of_the_geometric_mean(batch: Batch) -> None:
    """w_t L_t is a third of it, of every task."""
    for found in outcomes("geometric", batch):
        losses = [float(found.values[task]) for task in TASKS]
        products = [
            float(found.weights[task]) * loss for task, loss in zip(TASKS, losses, strict=True)
        ]
        assert products == pytest.approx([math.prod(losses) ** (1 / 3) / 3] * 3, rel=1e-4)


# -- missing labels -------------------------------------------------------------------------------


@pytest.mark.parametrize("name", BALANCERS)
def test_a_task_without_a_label_takes_no_part(name: str, batch: Batch) -> None:
    """It has no loss, no weight and no gradient, and leaves no trace in the balancer."""
    training = Training.start(name)
    training.step(batch)
    before = {key: value.clone() for key, value in training.balancer.state_dict().items()}
    bare = torch.zeros_like(batch.targets["bbox"].present)
    without = replace(
        batch,
        targets={**batch.targets, "bbox": replace(batch.targets["bbox"], present=bare)},
        labelled={**batch.labelled, "bbox": 0},
    )
    found = training_step(
        *(training.model, training.tasks, training.balancer, without), dropout_seed=0
    )
    assert set(found.values) == {"segmentation", "classification"}
    assert set(found.weights) in ({"segmentation", "classification"}, set())
    assert all(parameter.grad is None for parameter in training.model.heads["bbox"].parameters())
    assert all(
        bool(torch.isfinite(parameter.grad).all())
        for parameter in training.model.parameters()
        if parameter.grad is not None
    )
    for key, value in training.balancer.state_dict().items():
        if value.shape == (3,):  # what it remembers of each task
            assert torch.equal(value[2], before[key][2]) or bool(value[2].isnan()), key


@pytest.mark.parametrize("name", BALANCERS)
def test_a_batch_without_any_label_is_no_step(name: str, random_images: Images) -> None:
    training = Training.start(name)
    before = {key: value.clone() for key, value in training.balancer.state_dict().items()}
    empty = prepared(random_images(count=4, size=32, missing=range(4)))
    found = training_step(
        *(training.model, training.tasks, training.balancer, empty), dropout_seed=0
    )
    assert found.values == {}
    assert all(parameter.grad is None for parameter in training.model.parameters())
    for key, value in training.balancer.state_dict().items():
        torch.testing.assert_close(value, before[key], rtol=0, atol=0, equal_nan=True)
