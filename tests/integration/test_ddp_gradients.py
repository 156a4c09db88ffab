"""Two processes together take the step that one would take with both their images."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
import time
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from auxseg.balancing import BALANCERS

from . import ddp_steps, records, runs
from .command import TINY, auxseg, process
from .ddp_steps import AVERAGED, CASES, DRIFT, EVERY, EXACT, PAIRS, PARTS, Case, Outcome

SECONDS = 600
#: Case → the outcome of each process.
Outcomes = dict[Case, list[Outcome]]


@pytest.fixture(scope="module")
def together(tmp_path_factory: pytest.TempPathFactory) -> Outcomes:
    """Starts a process per part of the batch, as a cluster's launcher would."""
    folder = tmp_path_factory.mktemp("processes")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    place = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "NODE_RANK": "0"}
    place |= {"WORLD_SIZE": str(len(PARTS)), "OMP_NUM_THREADS": "1"}
    files = [folder / f"{rank}.pt" for rank in range(len(PARTS))]
    logs = [file.with_suffix(".log") for file in files]
    running = []
    for rank, (file, log) in enumerate(zip(files, logs, strict=True)):
        command = [sys.executable, ddp_steps.__file__, str(rank), str(file)]
        environment = {**os.environ, **place, "LOCAL_RANK": str(rank)}
        with log.open("w") as stream:
            running.append(subprocess.Popen(command, stdout=stream, stderr=stream, env=environment))
    try:
        limit = time.monotonic() + SECONDS
        # Where one has failed the other waits for it in vain.
        while not any(one.poll() for one in running) and any(one.poll() is None for one in running):
            assert time.monotonic() < limit
            time.sleep(0.1)
        for one, log in zip(running, logs, strict=True):
            assert not one.poll(), log.read_text(encoding="utf-8")
    finally:
        for one in running:
            one.kill()
            one.wait()
    found = [torch.load(file, weights_only=True) for file in files]
    return {
        case: [Outcome(**of_process[number]) for of_process in found]
        for number, case in enumerate(CASES)
    }


def named(case: Case) -> str:
    without = f"-without-{case.unlabelled}" if case.unlabelled else ""
    teacher = f"-{case.teacher}" if case.teacher else ""
    return f"{case.architecture}-{case.encoder}-{case.balancer}{teacher}{without}"


# -- one step ----------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("case", EXACT, ids=named)
def test_a_step_of_two_processes_is_that_of_one(case: Case, together: Outcomes) -> None:
    assert_same_step(together[case], ddp_steps.train(case))


def test_every_two_kinds_meet() -> None:
    kinds: list[list[str | None]] = [
        ["hard-sharing", "mtan", "cross-stitch", "progressive"],
        ["fixed", "uncertainty", "famo", "pcgrad"],
        ["vgg16", "efficientnet-lite0"],
        [None, "ema", "consistency"],
    ]
    tried = [(case.architecture, case.balancer, case.encoder, case.teacher) for case in PAIRS]
    for one, other in combinations(range(len(kinds)), 2):
        met = {(case[one], case[other]) for case in tried}
        assert met == set(product(kinds[one], kinds[other]))


@pytest.mark.slow
@pytest.mark.parametrize("case", AVERAGED, ids=named)
def test_the_average_of_two_processes_is_that_of_one(case: Case, together: Outcomes) -> None:
    """AdamW's first steps go by the gradients' signs, which rounding turns where they are 0."""
    alone = ddp_steps.train(case)
    for found in together[case]:
        for row, expected in zip(found.rows, alone.rows, strict=True):
            losses = {key: value for key, value in expected.items() if key.endswith("/loss")}
            assert {key: row[key] for key in losses} == pytest.approx(losses, rel=1e-4)
        for name, value in alone.teacher.items():
            moved = float((value - alone.before[name]).norm())
            assert moved > 0 or not value.requires_grad, name
            away = float((found.teacher[name] - value).norm())
            assert away <= 0.02 * moved, name


def assert_same_step(found: list[Outcome], alone: Outcome) -> None:
    """The same losses, weights and gradients of all parameters, and the balancer's next state."""
    for outcome in found:
        assert outcome.rows == [pytest.approx(row, rel=1e-5) for row in alone.rows]
        assert_same_gradients(outcome.gradients, alone.gradients)
        for name, value in alone.balancer.items():
            torch.testing.assert_close(outcome.balancer[name], value, rtol=1e-4, atol=1e-6)
    reached = [name for name, gradient in alone.gradients.items() if gradient is not None]
    assert "model.heads.segmentation.weight" in reached
    assert any("encoder" in name for name in reached)


def assert_same_gradients(
    found: dict[str, Tensor | None], expected: dict[str, Tensor | None]
) -> None:
    """To 1e-5 of a parameter's largest entry; none where there is none."""
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        other = found[name]
        assert (other is None) == (gradient is None), name
        if gradient is not None and other is not None:
            assert float(gradient.abs().max()) > 0, name
            torch.testing.assert_close(
                other, gradient, rtol=1e-5, atol=1e-5 * float(gradient.abs().max()), msg=name
            )


@pytest.mark.slow
@pytest.mark.parametrize("balancer", ["fixed", "pcgrad"])
def test_what_only_an_unlabelled_task_reads_gets_no_gradient(
    balancer: str, together: Outcomes
) -> None:
    """So the optimiser leaves it alone on every process."""
    for outcome in together[Case("mtan", balancer, unlabelled="bbox")]:
        idle = {name for name, gradient in outcome.gradients.items() if gradient is None}
        assert idle
        assert all(".bbox." in name for name in idle)
        assert all(torch.equal(outcome.after[name], outcome.before[name]) for name in idle)
        assert all(outcome.gradients[name] is None for name in outcome.after if ".bbox." in name)


# -- the reference itself ----------------------------------------------------------------------


@pytest.mark.parametrize("architecture", ["mtan", "cross-stitch"])
@pytest.mark.parametrize("balancer", ["fixed", "uncertainty", "geometric"])
def test_a_step_of_one_process_is_the_published_formula(architecture: str, balancer: str) -> None:
    """Plain autograd of the formula, with the means over labelled images."""
    case = Case(architecture, balancer)
    module = ddp_steps.make_module(case)
    batch = ddp_steps.make_batch(case, module)
    model = module.model.eval()
    losses = {}
    for name, prediction in model(batch.views["image"]).items():
        target = batch.targets[name]
        each = [
            module.tasks[name].loss(prediction[i : i + 1], target.value[i : i + 1])[0]
            for i in target.present.nonzero()[:, 0].tolist()
        ]
        losses[name] = torch.stack(each).sum() / len(each)
    segmentation, label, box = (losses[name] for name in ("segmentation", "classification", "bbox"))
    s = [torch.tensor(ddp_steps.S[name], requires_grad=True) for name in losses]
    total = {
        "fixed": lambda: 0.7 * segmentation + 0.1 * label + 0.2 * box,
        "uncertainty": lambda: (
            (-s[0]).exp() * segmentation + (-s[1]).exp() * label + 0.5 * (-s[2]).exp() * box
            + 0.5 * (s[0] + s[1] + s[2])
        ),
        "geometric": lambda: (segmentation * label * box) ** (1 / 3),
    }[balancer]()  # fmt: skip
    total.backward()
    expected = {f"model.{name}": parameter.grad for name, parameter in model.named_parameters()}
    if balancer == "uncertainty":
        names = zip(losses, s, strict=True)
        expected |= {f"balancer.s.{name}": one.grad for name, one in names}
    found = ddp_steps.train(case).gradients
    assert_same_gradients(found, expected)


def test_the_processes_own_means_would_give_another_step() -> None:
    """The batch tells the difference: a mean of means weighs a label more where there are few."""
    case = Case("mtan", "fixed")
    whole, *parts = (ddp_steps.train(case, numbers).gradients for numbers in (EVERY, *PARTS))
    name = "model.heads.segmentation.weight"
    gradients = [part[name] for part in parts]
    expected = whole[name]
    assert expected is not None
    mean = torch.stack([gradient for gradient in gradients if gradient is not None]).mean(dim=0)
    assert float((mean - expected).norm()) > 0.01 * float(expected.norm())


# -- many steps --------------------------------------------------------------------------------


def test_every_balancer_is_tried() -> None:
    assert {case.balancer for case in DRIFT} == {*BALANCERS}


@pytest.mark.slow
@pytest.mark.parametrize("case", DRIFT, ids=named)
def test_the_processes_weights_stay_the_same(case: Case, together: Outcomes) -> None:
    """With dropout and batch norms at work; the balancer's own memory, too."""
    first, second = together[case]
    assert runs.identical(first.before, second.before)
    assert runs.identical(first.after, second.after)
    assert runs.identical(first.teacher, second.teacher)
    for name, value in first.after.items():
        assert bool(torch.isfinite(value).all()), name
        if name.startswith("model."):
            assert not torch.equal(value, first.before[name]), name
    assert first.balancer.keys() == second.balancer.keys()
    for name, value in first.balancer.items():
        assert torch.equal(value.nan_to_num(-1), second.balancer[name].nan_to_num(-1)), name
    assert first.rows == second.rows
    assert len(first.rows) == case.steps


# -- a whole run -------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def run(cache: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two epochs of two processes, which have unequal numbers of validation images."""
    run = tmp_path_factory.mktemp("together") / "run"
    options = ("--balancer", "pcgrad", "--devices", "2", "--epochs", "2")
    data = ("--data.options", "{train: 20, val: 7, test: 8}")
    process("train", "mtan-3task", *TINY, *data, *options, "--out", run).succeeded()
    return run


@pytest.mark.slow
def test_two_processes_train_by_gradients(run: Path) -> None:
    assert [row["epoch"] for row in runs.history(run)] == ["1", "2"]
    # 20 images, of two processes 5 each a step.
    steps = records.steps(run)
    assert [(row["epoch"], row["step"]) for row in steps] == [
        ("1", "1"), ("1", "2"), ("2", "3"), ("2", "4"),
    ]  # fmt: skip
    assert all(
        float(row[f"{name}/{kind}"]) > 0
        for row in steps
        for name in ("segmentation", "classification", "bbox")
        for kind in ("loss", "weight")
    )


@pytest.mark.slow
def test_validation_images_of_all_processes_are_kept_once(run: Path) -> None:
    validation = records.validation(run)
    assert validation["images"].tolist() == list(range(20, 27))
    pooled = records.mean_iou(validation["counts"].sum(axis=1))
    history = [float(row["val/segmentation/iou"]) for row in runs.history(run)]
    np.testing.assert_allclose(pooled, history, rtol=1e-5)


@pytest.mark.slow
def test_validation_of_two_processes_measures_the_weights_that_are_kept(run: Path) -> None:
    before = runs.metrics(run, "val")
    auxseg("evaluate", run, "--split", "val").succeeded()
    after = runs.metrics(run, "val")
    assert after["bbox/l2"] == pytest.approx(before["bbox/l2"], rel=1e-5)
