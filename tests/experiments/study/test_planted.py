"""A study whose answer is known: a task of pure noise, and one that gives the mask away (slow).

In MTAN as published all dense tasks share one decoder, so what a task gives away arrives.
"""

from __future__ import annotations

from pathlib import Path
from typing import ClassVar

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg import assembly
from auxseg.config import (
    AugmentationConfig,
    Config,
    DataConfig,
    ModelConfig,
    TasksConfig,
    TrainingConfig,
)
from auxseg.experiments.launchers import one_by_one
from auxseg.experiments.study.confirm import winners
from auxseg.experiments.study.design import Design
from auxseg.experiments.study.results import collect
from auxseg.experiments.study.run import study
from auxseg.experiments.study.statistics import HELPS, HURTS, OPEN
from auxseg.tasks import TASKS, MetricInfo, MetricValue, Task, TaskMetrics
from auxseg.tasks.base import LabelledMean
from auxseg.types import ClassNames, HeadSpec, LabelledImages, Sample, Target

pytestmark = pytest.mark.slow


class DenseProbe(Task):
    """One channel with a squared error; subclasses say what it should show."""

    WEIGHT = 0.5
    REGRESSION = True
    LAYER = None
    METRICS: ClassVar = {"error": MetricInfo("error", 0.0, higher_is_better=False)}

    @property
    def head(self) -> HeadSpec:
        return HeadSpec("dense", 1)

    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        return (prediction - value).square().flatten(1).mean(dim=1)

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        return {"error": self.loss(prediction, value)}

    def metrics(self) -> TaskMetrics:
        return MeanError()

    def decode(self, prediction: Tensor, size: tuple[int, int]) -> Tensor:
        return prediction

    def label(self, sample: Sample) -> None:
        return None

    def picture(self, photo: np.ndarray, decoded: Tensor) -> np.ndarray:
        return photo


class MeanError(TaskMetrics):
    def __init__(self) -> None:
        super().__init__()
        self.error = LabelledMean()

    def add(self, prediction: Tensor, value: Tensor) -> None:
        self.error.add((prediction - value).square().flatten(1).mean(dim=1))

    def compute(self) -> dict[str, MetricValue]:
        return {"error": self.error.compute()}

    def reset(self) -> None:
        self.error.reset()


class Static(DenseProbe):
    """Noise of another pattern in every image and epoch: nothing can be learned from it."""

    NAME = "static"

    def target(self, images: LabelledImages) -> Target:
        draw = torch.Generator().manual_seed(images.epoch * 100_003 + int(images.index[0]))
        return Target(torch.randn(images.image[:, :1].shape, generator=draw), images.counted)


class Silhouette(DenseProbe):
    """The blurred mask of every image, also of those whose mask the target may not see."""

    NAME = "silhouette"
    WEIGHT = 2.0

    def target(self, images: LabelledImages) -> Target:
        inside = (images.mask == 1).float()[:, None]
        return Target(2 * F.avg_pool2d(inside, 3, stride=1, padding=1) - 1, images.counted)


def test_noise_does_not_help_and_the_given_away_mask_does(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for task in (Static, Silhouette):
        monkeypatch.setitem(TASKS, task.NAME, task)
    monkeypatch.setitem(assembly.CHOICES, "tasks.names", tuple(TASKS))
    config = Config(
        preset="study",
        data=DataConfig(image_size=32, options={"train": 200, "val": 100, "test": 50}),
        augmentation=AugmentationConfig(scale=(1.0, 1.0), rotation=0.0, translation=0.0, hue=0.0),
        model=ModelConfig(architecture="mtan-full", width=0.125, weights="none"),
        tasks=TasksConfig(views="per-task"),
        training=TrainingConfig(epochs=20, batch_size=10, lr=3e-3, accelerator="cpu"),
    )
    design = Design(
        "segmentation",
        (Static.NAME, Silhouette.NAME),
        labels=(10,),
        seeds=(0, 1, 2, 3, 4),
        alone=False,
    )
    assert study(design, config, tmp_path, one_by_one) == []
    runs = list(design.runs(config, tmp_path))
    target = TASKS["segmentation"](ClassNames(("background", "animal"), ("cat", "dog")))
    results = collect(design, runs, target)
    verdicts = {}
    for task in design.auxiliary:
        found = results.task_effect(task, 10)
        assert found is not None
        print(f"{task}: {found.difference:+.3f}, {found.interval}, {found.verdict}")
        verdicts[task] = found.verdict
    assert verdicts[Static.NAME] in (HURTS, OPEN)
    assert verdicts[Silhouette.NAME] == HELPS
    assert winners(results)[10].arm.auxiliary == (Silhouette.NAME,)
    # The winner was confirmed on the test images, which nobody saw before.
    assert "confirmed" in (tmp_path / "study.md").read_text(encoding="utf-8")
    assert (runs[0].directory / "test.npz").is_file()
