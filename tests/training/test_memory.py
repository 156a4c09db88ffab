"""The dry run's memory against what a real step takes."""

from __future__ import annotations

import gc

import pytest
from torch.profiler import ProfilerActivity, profile

from auxseg.api import configure
from auxseg.assembly import make_balancer, make_model, make_tasks
from auxseg.bench.networks import random_batch
from auxseg.config import Config
from auxseg.models.checkpointing import MODES
from auxseg.training.memory import training_memory
from auxseg.training.step import taught, training_step
from auxseg.training.teacher import Teacher
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))
SMALL = {"weights": "none", "width": 0.25, "image_size": 64, "batch_size": 3}


def test_unlabelled_images_cost_memory() -> None:
    small = {"weights": "none", "width": 0.1, "image_size": 32}
    alone = training_memory(configure("mtan-all", **small), CLASSES)
    both = training_memory(configure("mtan-all", **small, unlabelled="x"), CLASSES)
    twice = training_memory(configure("mtan-all", **small, batch_size=10), CLASSES)
    assert both == twice > alone


def measured(config: Config) -> int:
    """Bytes at the peak of a real step's allocations, as torch's profiler saw them."""
    tasks = make_tasks(config, CLASSES)
    model = make_model(config, tasks).train()
    model.checkpoint_activations(config.training.checkpointing)
    balancer = make_balancer(config, tasks)
    gc.collect()  # what an earlier test left behind is not freed while this one is counted
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        batch = random_batch(config)
        averaged = None if config.training.ema is None else Teacher(model, config.training.ema)
        if batch.asked is not None:
            assert averaged is not None
            batch = taught(batch, tasks, averaged, batch.labelled).batch
        training_step(model, tasks, balancer, batch, dropout_seed=0)
    live = peak = 0
    raw = profiler.profiler.kineto_results.events()  # type: ignore[union-attr]
    for event in sorted(raw, key=lambda event: event.start_ns()):
        if event.name() == "[memory]":
            live += event.nbytes()
            peak = max(peak, live)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    return peak + 3 * 4 * parameters  # the weights and AdamW's two averages


@pytest.mark.parametrize(
    ("preset", "mode"),
    [
        *(("mtan-3task", mode) for mode in MODES),
        ("segnet-3task", "none"),
        ("cross-stitch-2task", "selective"),
        ("mtan-all", "full"),
        ("unet-3task", "none"),
        ("progressive-2task", "none"),
        ("unet-semi", "none"),
    ],
)
def test_the_dry_run_counts_what_a_real_step_allocates(preset: str, mode: str) -> None:
    config = configure(preset, **SMALL, **{"training.checkpointing": mode})
    # A CPU's convolutions allocate work space and copies of their own, some processors' more.
    assert 0.98 < measured(config) / training_memory(config, CLASSES) < 1.2


def test_mtan_with_three_tasks_trains_within_4_gib() -> None:
    """Batch 5 at 256×256, which the paper's own could not."""
    paper = {"weights": "none", "image_size": 256}
    for changes in (
        {"training.checkpointing": "full"},
        {"training.checkpointing": "selective", "training.precision": "bf16-mixed"},
    ):
        config = configure("mtan-3task", **paper, **changes)
        assert training_memory(config, CLASSES) < 3 * 2**30  # and leaves room for work space
