"""Training steps on a GPU: nothing is waited for, memory is as estimated, options agree."""

from __future__ import annotations

import gc
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pytest
import torch

from auxseg import assembly
from auxseg.api import configure
from auxseg.balancing import BALANCERS
from auxseg.bench.networks import CLASSES, network, random_batch, step_taker
from auxseg.config import Config
from auxseg.models.checkpointing import MODES
from auxseg.training.determinism import deterministic
from auxseg.training.memory import training_memory
from auxseg.training.step import Outcome

GPU = torch.device("cuda")
SMALL = {"weights": "none", "image_size": 64, "batch_size": 4}
#: One preset of each architecture and encoder, and the one that asks a teacher.
PRESETS = (
    *("segnet-3task", "mtan-all", "mtan-full-3task", "cross-stitch-2task", "progressive-2task"),
    *("unet-1task", "mtan-unet-3task", "unet-semi"),
)
#: In which a network learns four images of noise by heart, more or less.
STEPS = 15
#: Bytes that convolutions may take for themselves: 0.3 GiB were seen (H200, PyTorch 2.11).
WORK_SPACE = 3 * 2**27


class Training:
    """A preset's steps on the GPU, always on the same batch."""

    def __init__(self, config: Config) -> None:
        tasks = assembly.make_tasks(config, CLASSES)
        primary = tasks["segmentation"]
        if primary.counts_pixels:  # balanced class weights ask for it
            primary.see_pixels(np.array([900, 100]))
        torch.manual_seed(0)
        self.model = network(config, tasks, GPU).train()
        self.batch = random_batch(config).to(GPU)
        self._step = step_taker(self.model, config, tasks)

    def step(self) -> Outcome:
        with deterministic():
            return self._step(self.batch)

    def weights(self) -> torch.Tensor:
        return torch.cat([one.detach().flatten().cpu() for one in self.model.parameters()])


def small(preset: str, **changes: Any) -> Config:
    width = {} if "unet" in preset else {"width": 0.1}
    return configure(preset, **{**SMALL, **width, **changes})


@contextmanager
def refusing_to_wait() -> Iterator[None]:
    """CUDA raises where the processor would wait for the GPU."""
    torch.cuda.synchronize()
    torch.cuda.set_sync_debug_mode("error")
    try:
        yield
    finally:
        torch.cuda.set_sync_debug_mode("default")


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("preset", [one for one in PRESETS if one != "unet-semi"])
def test_a_step_waits_for_no_number(preset: str, precision: str) -> None:
    """But where a teacher is asked: a balancer must know whether it was sure of anything."""
    training = Training(small(preset, precision=precision))
    training.step()
    with refusing_to_wait():
        training.step()


@pytest.mark.parametrize(
    "options",
    [
        *({"balancer": name} for name, one in BALANCERS.items() if not one.BY_GRADIENTS),
        {"tasks.options.segmentation.class_weights": "balanced"},
    ],
    ids=lambda options: ",".join(options.values()),
)
def test_options_wait_for_no_number(options: dict[str, str]) -> None:
    training = Training(small("segnet-3task", **options))
    training.step()
    with refusing_to_wait():
        training.step()


@pytest.mark.parametrize("precision", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("preset", ["segnet-3task", "mtan-3task", "unet-1task"])
def test_memory_is_as_estimated(preset: str, mode: str, precision: str) -> None:
    """What torch allocates, work space of the convolutions included, which nobody can foresee."""
    config = configure(
        preset,
        weights="none",
        image_size=256,
        batch_size=5,
        precision=precision,
        **{"training.checkpointing": mode},
    )
    gc.collect()
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated()
    training = Training(config)
    training.step()
    torch.cuda.reset_peak_memory_stats()
    training.step()
    real = torch.cuda.max_memory_allocated() - before
    estimate = training_memory(config, CLASSES)
    print(f"{preset} {mode} {precision}: {real / 2**30:.2f} GiB, {real / estimate:.2f} of estimate")
    assert 0.95 * estimate < real < estimate + WORK_SPACE


@pytest.mark.parametrize(
    "options",
    [
        {"precision": "bf16-mixed"},
        {"precision": "bf16-mixed", "training.channels_last": True},
        {"training.checkpointing": "full"},
        pytest.param({"training.compile": True}, marks=pytest.mark.slow),
    ],
    ids=lambda options: ",".join(options),
)
@pytest.mark.parametrize("preset", ["mtan-unet-3task", "unet-1task"])
def test_options_for_gpus_train_alike(preset: str, options: dict[str, Any]) -> None:
    """Losses fall as far as in single precision. Gradients are not compared: those of a network
    from scratch, in batches of four, turn with any rounding (`unet-1task`: cosine 0.25 in bf16)."""

    def losses(**changes: Any) -> tuple[float, float]:
        training = Training(small(preset, lr=1e-3, **changes))
        values = [training.step().values["segmentation"] for _ in range(STEPS)]
        return float(values[0]), float(values[-1])

    (first, last), (_, expected) = losses(**options), losses()
    print(f"{preset} {options}: {first:.4f} to {last:.4f}, single precision to {expected:.4f}")
    assert first - expected > 0.05
    assert last == pytest.approx(expected, abs=0.2 * (first - expected))


@pytest.mark.filterwarnings("error:.*deterministic")
@pytest.mark.parametrize("numbers", ["32-true", "bf16-mixed"])
@pytest.mark.parametrize("preset", PRESETS)
def test_the_same_steps_twice(preset: str, numbers: str) -> None:
    """To the last bit."""
    options = {"precision": numbers, "training.channels_last": numbers != "32-true"}

    def train() -> torch.Tensor:
        training = Training(small(preset, **options))
        for _ in range(3):
            training.step()
        return training.weights()

    assert torch.equal(train(), train())
