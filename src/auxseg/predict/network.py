"""What a predictor asks of a network, and a training run's own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from auxseg.assembly import answering, make_fit, make_views
from auxseg.data.fits import Fit
from auxseg.models.attention import AttentionMask, recorded_attention
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import file_checksum
from auxseg.runs.hub import HubFolder, is_hub_folder
from auxseg.runs.network import load_model
from auxseg.tasks import Task
from auxseg.types import LabelledImages


@dataclass(frozen=True)
class Outputs:
    """What a network says of a batch.

    Attributes:
        tasks: task name → (N, K, S, S) for dense tasks, (N, K) for others, as the heads give it; of
            a photo in tiles also what was decided of it already.
        attention: see :func:`auxseg.models.attention.recorded_attention`; empty where it was not
            asked for or the network has none.
    """

    tasks: Mapping[str, Any]
    attention: Mapping[str, Tensor] = field(default_factory=dict)


class Network(ABC):
    """A trained network, wherever it comes from.

    Attributes:
        preset: the system that was trained.
        tasks: the tasks it answers, by name.
        fit: how photos become its pictures.
        attentive: whether it can show attention masks.
        stride: pictures are padded to a multiple of it, of which attention masks show the padding.
        any_size: whether it also takes pictures of other sizes.
        checksum: of its weights: tells it from every other network.
    """

    preset: str
    tasks: dict[str, Task]
    fit: Fit
    attentive: bool = False
    stride: int = 1
    any_size: bool = True
    checksum: str = ""

    @property
    def size(self) -> int:
        """S, the square size of its pictures in pixels."""
        return self.fit.size

    @abstractmethod
    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        """Runs it.

        Args:
            images: float32 (N, 3, S, S) on the CPU, RGB in [0, 1].
            attention: also keep the attention masks, where it has any.
            seed: of the noise that a run's view adds when it is trained and measured; None shows
                the network the photo as it is, as exported files always do.
        """


class RunNetwork(Network):
    """A run directory's best weights, or those of a folder of ``auxseg export --format hub``.

    Raises:
        DataError: no run, or one without weights.
    """

    def __init__(self, path: Path, device: torch.device) -> None:
        if is_hub_folder(path):
            hub = HubFolder.read(path)
            config, weights = hub.config, hub.weights
            self.model, tasks = hub.load()
        else:
            run = RunDirectory(path)
            config, classes = run.read_config()
            weights = run.best
            self.model, tasks = load_model(run, config, classes)
        self.tasks = answering(tasks)
        self.model.to(device)
        self.device, self.preset = device, config.preset
        self.views = make_views(config, self.tasks)
        self.fit = make_fit(config)
        self.stride = self.model.stride
        self.attentive = any(isinstance(one, AttentionMask) for one in self.model.modules())
        self.checksum = file_checksum(weights)

    def __call__(
        self, images: Tensor, *, attention: bool = False, seed: int | None = None
    ) -> Outputs:
        photos = LabelledImages.without_labels(images)
        views = self.views(photos) if seed is None else self.views.batch(photos, seed).views
        views = {name: view.to(self.device) for name, view in views.items()}
        recording: AbstractContextManager[dict[str, Tensor]]
        recording = recorded_attention(self.model) if attention else nullcontext({})
        with recording as masks:
            outputs = self.model.forward_views(views, self.views.routes)
        return Outputs(outputs, masks)
