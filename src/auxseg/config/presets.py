"""The named systems: the columns of the paper's Table 1, and further ones beside them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from auxseg.errors import UsageError

#: Decay of the weights' average, which follows the last 1 / (1 − decay) steps.
EMA = 0.99

#: What the ``unet-…`` presets start from (docs/experiments.md).
UNET_RECIPE: dict[str, Any] = {
    "training.lr": 3e-3,
    "training.encoder_lr": 0.1,
    "model.freeze_norms": True,
    "training.steps": 600,
    "training.batch_size": 8,
    "training.ema": EMA,
    "tasks.options": {"segmentation": {"loss": "ce+dice"}},
}


@dataclass(frozen=True)
class Preset:
    """One system.

    Attributes:
        architecture: a key of :data:`auxseg.models.ARCHITECTURES`.
        auxiliary: the tasks besides segmentation.
        pretrained: whether the encoder starts from ``--weights``.
        views: one of :data:`auxseg.tasks.MODES`, which input each task reads.
        in_paper: whether it is a column of the paper's Table 1.
        encoder: a key of :data:`auxseg.models.ENCODERS`.
        recipe: further options that it sets, by dotted key.
    """

    architecture: str
    auxiliary: tuple[str, ...] = ()
    pretrained: bool = True
    views: str = "shared"
    in_paper: bool = False
    encoder: str = "vgg16"
    recipe: Mapping[str, Any] = field(default_factory=dict)

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation", *self.auxiliary)

    def defaults(self) -> dict[str, Any]:
        """The options this preset sets, by dotted key."""
        return {
            "model.architecture": self.architecture,
            "model.encoder": self.encoder,
            "model.pretrained": self.pretrained,
            "tasks.names": self.tasks,
            "tasks.views": self.views,
            **self.recipe,
        }


_SUPERVISED = ("classification", "bbox")
_UNET: dict[str, Any] = {"encoder": "efficientnet-lite0", "recipe": UNET_RECIPE}

PRESETS: dict[str, Preset] = {
    # The columns of the paper's Table 1, in its order.
    "segnet-1task-scratch": Preset("hard-sharing", pretrained=False, in_paper=True),
    "segnet-1task": Preset("hard-sharing", in_paper=True),
    "segnet-3task": Preset("hard-sharing", _SUPERVISED, in_paper=True),
    "mtan-3task": Preset("mtan", _SUPERVISED, in_paper=True),
    "mtan-no-bbox": Preset("mtan", ("classification",), in_paper=True),
    "mtan-no-class": Preset("mtan", ("bbox",), in_paper=True),
    "mtan-canny": Preset("mtan", (*_SUPERVISED, "edges"), in_paper=True),
    "mtan-noisy": Preset("mtan", (*_SUPERVISED, "denoising"), in_paper=True),
    "mtan-color": Preset("mtan", (*_SUPERVISED, "colorization"), in_paper=True),
    # The paper speaks of both models with the self-supervised tasks.
    "segnet-canny": Preset("hard-sharing", (*_SUPERVISED, "edges")),
    "segnet-noisy": Preset("hard-sharing", (*_SUPERVISED, "denoising")),
    "segnet-color": Preset("hard-sharing", (*_SUPERVISED, "colorization")),
    # Its Fig. 3b plots all three tasks without pretraining.
    "segnet-3task-scratch": Preset("hard-sharing", _SUPERVISED, pretrained=False),
    # Every task at once, which one shared input cannot give.
    "mtan-all": Preset(
        "mtan", (*_SUPERVISED, "denoising", "edges", "colorization"), views="per-task"
    ),
    # MTAN as Liu et al. published it: attention in the decoder, too.
    "mtan-full-3task": Preset("mtan-full", _SUPERVISED),
    # The alternative that the paper names: an encoder per task, mixed after every block.
    "cross-stitch-2task": Preset("cross-stitch", ("classification",)),
    "cross-stitch-3task": Preset("cross-stitch", _SUPERVISED),
    # And the other one: a column per task that reads the earlier ones, segmentation's the last.
    "progressive-2task": Preset("progressive", ("classification",)),
    "progressive-3task": Preset("progressive", _SUPERVISED),
    # A small modern encoder and a U-Net decoder: as good in a quarter of the time.
    "unet-1task": Preset("hard-sharing", **_UNET),
    "unet-3task": Preset("hard-sharing", _SUPERVISED, **_UNET),
    "mtan-unet-3task": Preset("mtan", _SUPERVISED, **_UNET),
    # And what photos without a mask add to it, alone and beside every other kind of task.
    "unet-semi": Preset("hard-sharing", ("consistency",), views="per-task", **_UNET),
    "mtan-unet-all": Preset(
        "mtan",
        (*_SUPERVISED, "boundary", "edges", "denoising", "colorization", "consistency"),
        views="per-task",
        **_UNET,
    ),
}

#: What a folder of one's own photos is trained with unless told otherwise (docs/experiments.md).
RECOMMENDED = "unet-1task"

#: The nine systems of the paper's Table 1, in its order.
PAPER = tuple(name for name, system in PRESETS.items() if system.in_paper)


def preset(name: str) -> Preset:
    """Looks a preset up; an unknown name raises :class:`UsageError` with all known ones."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
