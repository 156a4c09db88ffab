"""The named systems: the columns of the paper's Table 1, and further ones beside them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from auxseg.errors import UsageError


@dataclass(frozen=True)
class Preset:
    """One system.

    Attributes:
        architecture: a key of :data:`auxseg.models.ARCHITECTURES`.
        auxiliary: the tasks besides segmentation.
        pretrained: whether the encoder starts from ``--weights``.
        in_paper: whether it is a column of the paper's Table 1.
    """

    architecture: str
    auxiliary: tuple[str, ...] = ()
    pretrained: bool = True
    in_paper: bool = True

    @property
    def tasks(self) -> tuple[str, ...]:
        return ("segmentation", *self.auxiliary)

    def defaults(self) -> dict[str, Any]:
        """The options this preset sets, by dotted key."""
        return {
            "model.architecture": self.architecture,
            "model.pretrained": self.pretrained,
            "tasks.names": self.tasks,
        }


PRESETS: dict[str, Preset] = {
    "segnet-1task-scratch": Preset("hard-sharing", pretrained=False),
    "segnet-1task": Preset("hard-sharing"),
    "segnet-3task": Preset("hard-sharing", ("classification", "bbox")),
    "mtan-3task": Preset("mtan", ("classification", "bbox")),
    "mtan-no-bbox": Preset("mtan", ("classification",)),
    "mtan-no-class": Preset("mtan", ("bbox",)),
    # Fig. 3b plots all three tasks without pretraining.
    "segnet-3task-scratch": Preset(
        "hard-sharing", ("classification", "bbox"), pretrained=False, in_paper=False
    ),
    # MTAN as Liu et al. published it: attention in the decoder, too.
    "mtan-full-3task": Preset("mtan-full", ("classification", "bbox"), in_paper=False),
}


def preset(name: str) -> Preset:
    """Looks a preset up; an unknown name raises :class:`UsageError` with all known ones."""
    if name not in PRESETS:
        raise UsageError(f"unknown preset {name!r}; the presets are {', '.join(PRESETS)}")
    return PRESETS[name]
