"""``auxseg bench``: everything that is measured, in one process and in rounds."""

from __future__ import annotations

import platform
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch

from auxseg import assembly
from auxseg.bench.clock import Timing, Work, time_in_rounds
from auxseg.bench.limits import convolutions, matrix_product
from auxseg.bench.loading import next_batch
from auxseg.bench.networks import CLASSES, prediction, training_step
from auxseg.bench.peers import find_pairs
from auxseg.bench.peers.base import works_of
from auxseg.config import Config
from auxseg.models.checkpointing import MODES
from auxseg.models.encoders.vgg16 import block_channels
from auxseg.training.determinism import deterministic
from auxseg.training.failures import explained
from auxseg.training.memory import training_memory

#: Precisions whose memory is told.
PRECISIONS = ("32-true", "bf16-mixed")


@dataclass(frozen=True)
class Plan:
    """What is measured.

    Attributes:
        configs: preset → its configuration, with image size and batch size.
        device: where.
        seconds: roughly how long the rounds of each part take.
        peers: peer → the folder of its code, where it wants one.
    """

    configs: Mapping[str, Config]
    device: torch.device
    seconds: float
    peers: Mapping[str, Path | None]


def bench(plan: Plan) -> dict[str, Any]:
    """Measures, and returns plain values for JSON.

    ``machine`` and ``limits``; ``training``, ``prediction``, ``loading`` by preset; ``peers`` by
    title. Seconds are medians, ``spread`` is the distance of the quartiles as a part of that, and
    ``of_product`` and ``of_convolution`` are shares of the limits, measured in the same rounds.
    """
    with explained(next(iter(plan.configs.values())).training):
        return _measured(plan)


def _measured(plan: Plan) -> dict[str, Any]:
    pairs = _pairs(plan)  # a folder that is no checkout is told before anything takes its time
    results: dict[str, Any] = {"machine": machine(plan), "limits": {}}
    with deterministic(), tempfile.TemporaryDirectory() as folder:  # as training
        works = _works(plan, Path(folder))
        timings = _time(works, plan, share=0.7 if plan.peers else 1.0)
    for (part, name), timing in timings.items():
        results.setdefault(part, {})[name] = _row(works[part, name], timing)
    results["peers"] = _peers(plan, pairs)
    _add_shares(results)
    for name, config in plan.configs.items():
        results["training"][name]["memory_bytes"] = training_memory(config, CLASSES)
        if plan.device.type == "cuda":
            results["training"][name]["allocated_bytes"] = allocated(config, plan.device)
    return results


def _works(plan: Plan, folder: Path) -> dict[tuple[str, str], Work]:
    """(part, name) → what is timed there."""
    works: dict[tuple[str, str], Work] = {}
    for name, config in plan.configs.items():
        works["training", name] = training_step(config, plan.device)
        works["prediction", name] = prediction(config, plan.device)
        works["loading", name] = next_batch(config, folder)
    return works | {("limits", name): work for name, work in _limits(plan).items()}


def memory(configs: Mapping[str, Config]) -> dict[str, dict[str, dict[str, int]]]:
    """Preset → precision → checkpointing → bytes of a training step, by a dry run."""
    return {
        name: {
            precision: {
                mode: training_memory(_changed(config, precision, mode), CLASSES) for mode in MODES
            }
            for precision in PRECISIONS
        }
        for name, config in configs.items()
    }


def machine(plan: Plan) -> dict[str, Any]:
    """Where and how it was measured."""
    config = next(iter(plan.configs.values()))
    return {
        "device": _device_name(plan.device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "precision": config.training.precision,
        "image_size": config.data.image_size,
        "batch_size": config.training.batch_size,
        "width": config.model.width,
        "checkpointing": config.training.checkpointing,
        "compile": config.training.compile,
        "channels_last": config.training.channels_last,
    }


def _limits(plan: Plan) -> dict[str, Work]:
    config = next(iter(plan.configs.values()))
    size, dtype = config.data.image_size, assembly.dtype_of(config)
    assert size is not None
    channels = block_channels(config.model.width)
    batch = config.training.batch_size
    layout = torch.channels_last if config.training.channels_last else torch.contiguous_format
    return {
        "matrix product": matrix_product(plan.device, dtype),
        **convolutions(channels, batch, size, plan.device, dtype, layout),
    }


def _time(works: Mapping[Any, Work], plan: Plan, share: float) -> dict[Any, Timing]:
    runs = {key: work.run for key, work in works.items()}
    return time_in_rounds(runs, plan.device, share * plan.seconds)


def _row(work: Work, timing: Timing) -> dict[str, Any]:
    row: dict[str, Any] = asdict(timing)
    if work.images:
        row["images_per_second"] = work.images / timing.seconds
    if work.flops:
        row["flops"] = work.flops
        row["flops_per_second"] = work.flops / timing.seconds
    return row


def _pairs(plan: Plan) -> dict[str, dict[str, Work]]:
    """Title → ours and theirs."""
    pairs = find_pairs(plan.peers, plan.configs)
    return {title: works_of(pair, plan.device) for title, pair in pairs.items()}


def _peers(plan: Plan, pairs: Mapping[str, Mapping[str, Work]]) -> dict[str, Any]:
    works = {(title, side): work for title, pair in pairs.items() for side, work in pair.items()}
    found: dict[str, Any] = {}
    for (title, side), timing in (_time(works, plan, 0.3) if works else {}).items():
        found.setdefault(title, {})[side] = _row(works[title, side], timing)
    for pair in found.values():
        pair["times_as_fast"] = pair["theirs"]["seconds"] / pair["ours"]["seconds"]
    return found


def _add_shares(results: dict[str, Any]) -> None:
    limits = {name: row["flops_per_second"] for name, row in results["limits"].items()}
    product = limits.pop("matrix product")
    peaks = {"of_product": product, "of_convolution": max(limits.values())}
    for part in ("training", "prediction"):
        for row in results[part].values():
            row |= {name: row["flops_per_second"] / peak for name, peak in peaks.items()}
    for name, row in results["loading"].items():
        # What a step would wait for its batch if the loader did not work ahead in processes.
        row["of_step"] = row["seconds"] / results["training"][name]["seconds"]


def allocated(config: Config, device: torch.device) -> int:
    """Bytes that torch had allocated on the GPU at the peak of a step."""
    torch.cuda.empty_cache()
    before = torch.cuda.memory_allocated(device)
    with deterministic():
        step = training_step(config, device)
        torch.cuda.reset_peak_memory_stats(device)
        step.run()
    return torch.cuda.max_memory_allocated(device) - before


def _changed(config: Config, precision: str, mode: str) -> Config:
    training = replace(config.training, precision=precision, checkpointing=mode)
    return replace(config, training=training)


def _device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return f"{platform.machine()} {device.type} ({torch.backends.cpu.get_cpu_capability()})"
