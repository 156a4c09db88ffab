"""Parameters, memory and arithmetic against the number of tasks, per architecture.

    python benchmarks/cost_by_tasks.py [--encoder efficientnet-lite0]

Counted on torch's meta device, so any machine gives the same figures in seconds. Tasks are added
in the order segmentation, classification, bbox, edges, denoising, colorization; all read the clean
image, so that only what an architecture adds for a task is counted, not further views.
"""

from __future__ import annotations

import argparse
from dataclasses import replace

import torch

from auxseg.config import Config, DataConfig, ModelConfig, TasksConfig, TrainingConfig
from auxseg.models import ARCHITECTURES, ENCODERS
from auxseg.report.tables import to_markdown
from auxseg.runs.cost import cost
from auxseg.tasks import TASKS
from auxseg.training.memory import training_memory
from auxseg.types import ClassNames

ORDER = ("segmentation", "classification", "bbox", "edges", "denoising", "colorization")
IMAGE_SIZE, BATCH = 256, 5
CLASSES = ClassNames(mask=("background", "pet"), label=("cat", "dog"))


def main() -> None:
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("--encoder", default="vgg16", help="the encoder of all architectures")
    encoder = options.parse_args().encoder
    # The network is the same whatever a task is shown; here all are shown the same.
    for task in TASKS.values():
        task.VIEW, task.VIEW_CHANNELS = "image", 3
    rows = [["architecture", "figure", *map(str, range(1, len(ORDER) + 1)), "per further task"]]
    for architecture, cls in ARCHITECTURES.items():
        if cls.NEEDS_INDICES and not ENCODERS[encoder].unpools:
            continue
        counts = range(1, len(ORDER) + 1)
        configs = [_config(architecture, encoder, ORDER[:count]) for count in counts]
        found = [cost(config, CLASSES) for config in configs]
        memory = [training_memory(config, CLASSES) for config in configs]
        for title, values in (
            ("parameters (M)", [one.parameters / 1e6 for one in found]),
            ("training memory (GiB)", [one / 2**30 for one in memory]),
            ("forward (GFLOP)", [one.flops / 1e9 for one in found]),
        ):
            rows.append(
                [architecture, title, *(f"{value:.1f}" for value in values), _slope(values)]
            )
    about = f"{encoder}, {IMAGE_SIZE}×{IMAGE_SIZE}, batch {BATCH}, width 1"
    print(f"{about}; columns: number of tasks\n")
    print(to_markdown(rows))


def _config(architecture: str, encoder: str, tasks: tuple[str, ...]) -> Config:
    return Config(
        preset=architecture,
        data=DataConfig(image_size=IMAGE_SIZE),
        model=replace(ModelConfig(), architecture=architecture, encoder=encoder, weights="none"),
        tasks=TasksConfig(names=tasks),
        training=TrainingConfig(batch_size=BATCH),
    )


def _slope(values: list[float]) -> str:
    """The mean rise from one task to all, and as a part of one task's figure."""
    rise = float(torch.tensor(values).diff().mean()) if len(values) > 1 else 0.0
    return f"{rise:+.1f} ({rise / values[0]:+.0%})"


if __name__ == "__main__":
    main()
