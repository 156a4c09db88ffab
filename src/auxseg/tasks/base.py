"""What a task is: example, head, loss, metrics, picture of one thing the network learns."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor, nn
from torchmetrics import SumMetric

from auxseg.errors import UsageError
from auxseg.types import ClassNames, Example, HeadSpec, LabelledImages, Sample, Target

#: The view that shows the image as it is.
CLEAN = "image"

#: A metric's value: a number, None without a single labelled sample, or a list per class.
MetricValue = float | None | list[float | None]


@dataclass(frozen=True)
class MetricInfo:
    """How a metric is read.

    Attributes:
        title: its name in tables.
        optimum: the value of a perfect prediction.
        higher_is_better: the direction.
        digits: decimals shown in tables.
    """

    title: str
    optimum: float
    higher_is_better: bool = True
    digits: int = 3


@dataclass(frozen=True)
class Remarks:
    """What a validation shows that its metrics do not say in words.

    Each is one line, which reads on from the task's name; empty where there is nothing to say.

    Attributes:
        during: worth saying while there is time to stop, if it stays so.
        after: worth saying of the weights that are kept, when training is over.
    """

    during: str = ""
    after: str = ""


class TaskMetrics(nn.Module, ABC):
    """A task's metrics, pooled over a data set; states add up over processes (torchmetrics)."""

    def update(self, prediction: Tensor, target: Target, view: Tensor | None = None) -> None:
        """Adds the labelled samples of one batch.

        Args:
            view: (N, C, H, W), the input that the prediction was made from, for metrics that
                compare the two.
        """
        # In 16 bits a perfect prediction would not be perfect any more.
        with torch.autocast(prediction.device.type, enabled=False):
            if bool(target.present.any()):
                self.add(prediction[target.present].float(), target.value[target.present])

    @abstractmethod
    def add(self, prediction: Tensor, value: Tensor) -> None:
        """Adds predictions and targets of samples that all have a label."""

    @abstractmethod
    def compute(self) -> dict[str, MetricValue]:
        """Every metric by name; None where no sample had a label."""

    def remarks(self) -> Remarks:
        """What is to be said of everything added; like :meth:`compute` it waits for processes."""
        return Remarks()

    @abstractmethod
    def reset(self) -> None:
        """Forgets everything added."""


class LabelledMean(nn.Module):
    """A mean over labelled samples and all processes; None without a single one.

    Every process takes part in computing it, also one that saw no label: others wait for it.
    """

    def __init__(self) -> None:
        super().__init__()
        # NaN is kept, not skipped: a loss or an error that is none must be seen.
        self.total = SumMetric(nan_strategy="disable")
        self.count = SumMetric(nan_strategy="disable")

    def add(self, values: Tensor, present: Tensor | None = None) -> None:
        """Adds values of any shape; none is fine.

        Args:
            present: bool, of the same shape: the values that count. They are not picked out,
                which would make a GPU wait: how many there are decides a shape.
        """
        if present is None:
            present = torch.ones_like(values, dtype=torch.bool)
        self.total.update(torch.where(present, values, 0.0).sum())
        self.count.update(present.sum().float())

    def compute(self) -> float | None:
        if not self.count.update_called:
            self.add(torch.zeros(0))  # torchmetrics warns otherwise
        total, count = float(self.total.compute()), float(self.count.compute())
        return total / count if count else None

    def sums(self) -> list[float]:
        """What this process has added so far, to be added again by :meth:`add_sums`."""
        return [float(self.total.sum_value), float(self.count.sum_value)]

    def add_sums(self, total: float, count: float) -> None:
        self.total.update(total)
        self.count.update(count)

    def reset(self) -> None:
        self.total.reset()
        self.count.reset()


class Task(ABC):
    """One task. A subclass is one file and one line in :data:`auxseg.tasks.TASKS`.

    Its ``__init__`` takes the data's class names; further keyword arguments with defaults are its
    options, reachable as ``--tasks.options.TASK.NAME``.

    Attributes:
        NAME: its key in predictions, targets and metrics.
        LABEL: the label of an image that its target is made from: mask, label or box; None where
            it comes from the image itself, so that every image has it.
        VIEW: name of the input it asks for; tasks of one view can share a forward pass.
        VIEW_CHANNELS: that input's channels, 1 or 3.
        SHAREABLE: whether that input may serve every task (``views: shared``).
        DRAWS_TARGET: whether what is random in its view decides what it should answer. Then an
            image shown as it is, by :meth:`view`, has another target (:meth:`target`) than in
            training (:meth:`example`).
        READS_PRIMARY: whether it reads the primary task's output and has no head of its own.
        ASKS_TEACHER: whether it learns from images without the primary task's label, and what it
            should answer there is what a teacher answers (:meth:`complete`).
        WEIGHT: the default weight of its loss.
        REGRESSION: whether its loss is a squared error; else it is a cross-entropy.
        LAYER: where its picture lies among the others': areas 0, lines 1, text 2; None for a
            picture of its own beside them.
        METRICS: metric name → :class:`MetricInfo`; the first is the task's main one.
        REFERENCES: further values reported beside them, which no prediction changes.
    """

    NAME: ClassVar[str]
    LABEL: ClassVar[Literal["mask", "label", "box"] | None]
    VIEW: ClassVar[str] = CLEAN
    VIEW_CHANNELS: ClassVar[int] = 3
    SHAREABLE: ClassVar[bool] = True
    DRAWS_TARGET: ClassVar[bool] = False
    READS_PRIMARY: ClassVar[bool] = False
    ASKS_TEACHER: ClassVar[bool] = False
    WEIGHT: ClassVar[float]
    REGRESSION: ClassVar[bool] = False
    LAYER: ClassVar[int | None] = 0
    METRICS: ClassVar[dict[str, MetricInfo]]
    REFERENCES: ClassVar[dict[str, MetricInfo]] = {}

    def __init__(self, classes: ClassNames) -> None:
        self.classes = classes

    @classmethod
    def metric_infos(cls) -> dict[str, MetricInfo]:
        """Everything that the task reports, metrics first."""
        return {**cls.METRICS, **cls.REFERENCES}

    @property
    @abstractmethod
    def head(self) -> HeadSpec:
        """The output this task asks for; of one that reads the primary task's, that one's."""

    def example(self, images: LabelledImages, seed: int) -> Example:
        """What this task is shown, and what it should answer.

        Both are made together, and from an already augmented batch: so nothing falls out of step,
        and a target may depend on what was drawn for the view.

        Args:
            seed: with the batch's epoch and the image's number the key of random numbers.
        """
        return Example(self.view(images), self.target(images))

    def measured(self, images: LabelledImages, seed: int) -> Example:
        """As :meth:`example`, to measure on: nothing in it may depend on the rest of the batch."""
        return self.example(images, seed)

    def view(self, images: LabelledImages) -> Tensor:
        """What it is shown of photos that are to be predicted, without anything random.

        Returns:
            float32 (N, VIEW_CHANNELS, H, W) in [0, 1].
        """
        return images.image

    @abstractmethod
    def target(self, images: LabelledImages) -> Target:
        """What it should answer of images as :meth:`view` shows them."""

    def complete(self, value: Tensor, clean: Tensor) -> Tensor:
        """The target's value once the teacher has answered.

        Args:
            value: the target's value before.
            clean: the teacher's primary output for the images as they are.
        """
        raise NotImplementedError(f"{self.NAME} asks no teacher")

    def teaching(self, target: Target) -> Tensor:
        """What a completed target teaches: pixels of each class, and all pixels, int64 (K + 1,)."""
        raise NotImplementedError(f"{self.NAME} asks no teacher")

    def lacking(self, pixels: Sequence[int]) -> Remarks:
        """What is to be said of an epoch's lessons.

        Args:
            pixels: that the teacher gave each class.
        """
        raise NotImplementedError(f"{self.NAME} asks no teacher")

    def weight_at(self, progress: float) -> float:
        """The factor of its loss, before balancing, after this share of the steps, above 0."""
        return 1.0

    @property
    def counts_pixels(self) -> bool:
        """Whether :meth:`see_pixels` is to be called before training."""
        return False

    def see_pixels(self, pixels: np.ndarray) -> None:
        """Takes note of how many labelled pixels each class has.

        Args:
            pixels: int64 (K,), over the training masks that may be seen.
        """
        raise NotImplementedError(f"{self.NAME} has no use for it")

    @abstractmethod
    def loss(self, prediction: Tensor, value: Tensor) -> Tensor:
        """The loss of each sample, (N,), finite also where the value is arbitrary."""

    @abstractmethod
    def metrics(self) -> TaskMetrics:
        """Fresh metrics."""

    def scores(self, prediction: Tensor, value: Tensor) -> dict[str, Tensor]:
        """Metrics that single images have, by name: (N, …) → (N,) each, NaN where undefined."""
        return {}

    def counts(self, prediction: Tensor, value: Tensor) -> Tensor:
        """What each image adds to the main metric: (N, …) → float32 (N, S).

        :meth:`pool` makes the metric from sums of these over any images. So a metric that is
        pooled over a data set can be taken over other draws of its images (a bootstrap) without
        predicting anew. By default the metric is the mean of the images' :meth:`scores`.
        """
        score = self.scores(prediction, value)[next(iter(self.METRICS))]
        return torch.stack([score, torch.ones_like(score)], dim=1)

    def pool(self, counts: np.ndarray) -> np.ndarray:
        """The main metric from sums of :meth:`counts`, float64 (…, S) → (…); NaN of nothing."""
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(counts[..., 0] / counts[..., 1])

    def mirrored(self, output: Tensor) -> Tensor:
        """The head's output for a mirrored image, as it would be for the image itself.

        Args:
            output: (N, K, H, W) of dense tasks, (N, K) of others.
        """
        return output.flip(-1) if self.head.kind == "dense" else output

    def within(self, output: Tensor, area: tuple[float, float, float, float]) -> Tensor:
        """The head's output for one image, as it would be for a part of the image alone.

        Args:
            output: (K, H, W) of dense tasks, (K,) of others.
            area: that part, xyxy in [0, 1].
        """
        if self.head.kind != "dense":
            return output
        x_min, y_min, x_max, y_max = area
        height, width = output.shape[1:]
        rows = slice(round(y_min * height), round(y_max * height))
        return output[:, rows, round(x_min * width) : round(x_max * width)]

    def averaged(self, outputs: Sequence[Tensor]) -> Tensor:
        """One output out of several for the same images, of equal shapes."""
        return torch.stack([one.float() for one in outputs]).mean(dim=0)

    def confusion(self, prediction: Tensor, value: Tensor) -> Tensor | None:
        """How often each true class (row) was taken for each (column), int64 (K, K).

        None for a task without classes. Of segmentation pixels are counted, of others images.
        """
        return None

    @abstractmethod
    def decode(self, prediction: Tensor, size: tuple[int, int]) -> Any:
        """What a user gets for one image.

        Args:
            prediction: the head's output for one image, without the batch dimension.
            size: (height, width) of the photo, in pixels.
        """

    @abstractmethod
    def label(self, sample: Sample) -> Any | None:
        """The truth of :meth:`view` in the form of :meth:`decode`, at the sample's size.

        None where unlabelled.
        """

    @abstractmethod
    def picture(self, photo: np.ndarray, decoded: Any) -> np.ndarray:
        """Draws what :meth:`decode` returned over a photo, uint8 (H, W, 3) → the same."""


def draw_all(photo: np.ndarray, tasks: Mapping[str, Task], found: Mapping[str, Any]) -> np.ndarray:
    """Draws what was found, task by task, areas below lines below text; uint8 (H, W, 3).

    Tasks with a picture of their own are left out.
    """
    layers = {name: layer for name in found if (layer := tasks[name].LAYER) is not None}
    for name in sorted(layers, key=lambda name: layers[name]):
        if found[name] is not None:
            photo = tasks[name].picture(photo, found[name])
    return photo


def checked_scale(task: str, scale: float) -> float:
    """A loss's factor; raises :class:`UsageError` unless it is a number above 0."""
    if not 0 < scale < math.inf:
        raise UsageError(f"tasks.options.{task}.scale: {scale} is not a number above 0")
    return scale


def masked_mean(losses: Tensor, present: Tensor, count: float | None = None) -> Tensor:
    """Mean over the labelled samples of (N,); the others get no gradient, whatever their value.

    Args:
        count: what to divide by, where it is not the number of labelled samples in this batch.
    """
    divisor = present.sum().clamp_min(1) if count is None else count
    return torch.where(present, losses, 0.0).sum() / divisor
