"""The photos that a report shows, and the trained systems that look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from auxseg import build
from auxseg.config import DataConfig
from auxseg.evaluation.systems import System
from auxseg.predict import Predictor
from auxseg.report.gallery import Choice, choose
from auxseg.types import Sample


@dataclass(frozen=True)
class Photos:
    """Photos of one split, chosen by what the systems make of them.

    Attributes:
        predictors: system name → its first run; systems trained on other data are left out.
        scores: system name → photo name → metric → value.
        choices: the photos that are shown.
    """

    data: build.Data
    split: str
    predictors: Mapping[str, Predictor]
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    choices: Sequence[Choice]

    @property
    def held_out(self) -> tuple[int, ...]:
        """Numbers of all photos of the split."""
        return tuple(getattr(self.data.split, self.split))

    def read(self, index: int) -> Sample:
        """A photo with its labels, at its native size."""
        return self.data.dataset.read(index)


def open_photos(systems: Sequence[System], split: str, root: str | None) -> Photos:
    """Opens the data of the first system, and loads every system that was trained on them.

    Args:
        root: where the data set lies now, if it moved since training.

    Raises:
        AuxsegError: the data cannot be read.
    """
    data = build.open_data(build.measured(build.moved(systems[0].config, root)))
    source = _source(systems[0].config.data)
    same = [system for system in systems if _source(system.config.data) == source]
    scores = {system.name: system.runs[0].read_scores(split) for system in same}
    held_out = getattr(data.split, split)
    names = [data.dataset.name(index) for index in held_out]
    return Photos(
        data,
        split,
        predictors={system.name: Predictor(system.first) for system in same},
        scores=scores,
        choices=choose(held_out, names, list(scores.values())),
    )


def _source(config: DataConfig) -> DataConfig:
    """What decides which photos there are, and not how many of them are trained on."""
    return replace(config, limit=None, labels=None, unlabelled=None, image_size=None)
