"""The photos that a report shows, and the trained systems that look at them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from auxseg import assembly
from auxseg.config import DataConfig
from auxseg.predict import Predictor, load
from auxseg.report.gallery import SCORE, Choice, choose
from auxseg.report.systems import System, same_photos
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.types import Sample


@dataclass(frozen=True)
class Photos:
    """Photos of one split, chosen by what the systems make of them.

    Attributes:
        predictors: system name → its first run.
        scores: system name → photo name → metric → value.
        choices: the photos that are shown.
        left_out: names of systems that were trained on other data.
        root: where the data set lies now, if it moved since training.
    """

    data: assembly.Data
    split: str
    predictors: Mapping[str, Predictor]
    scores: Mapping[str, Mapping[str, Mapping[str, float]]]
    choices: Sequence[Choice]
    left_out: Sequence[str]
    root: str | None = None

    @property
    def held_out(self) -> tuple[int, ...]:
        """Numbers of all photos of the split."""
        return tuple(getattr(self.data.split, self.split))

    @property
    def scored(self) -> bool:
        """Whether the metrics of single photos are known."""
        return any(SCORE in photo for scores in self.scores.values() for photo in scores.values())

    def read(self, index: int) -> Sample:
        """A photo with its labels, at its native size."""
        return self.data.dataset.read(index)


def open_photos(
    systems: Sequence[System],
    split: str,
    root: str | None,
    opened: assembly.Data | None = None,
) -> Photos:
    """Opens the data of the first system, and loads every system that was measured on them.

    Args:
        root: where the data set lies now, if it moved since training.
        opened: the first system's data set, decoded at its size, where it is open already.

    Raises:
        AuxsegError: the data cannot be read.
    """
    data = open_run_data(systems[0].runs[0], root, opened=opened)

    def shown(system: System) -> tuple[DataConfig, RunDirectory]:
        return assembly.moved(system.config, root).data, system.runs[0]

    same = [one for one in systems if same_photos(shown(systems[0]), shown(one), split)]
    scores = {system.name: system.runs[0].read_scores(split) for system in same}
    held_out = getattr(data.split, split)
    names = [data.dataset.name(index) for index in held_out]
    return Photos(
        data,
        split,
        predictors={system.name: load(system.first) for system in same},
        scores=scores,
        choices=choose(held_out, names, list(scores.values())),
        left_out=[system.name for system in systems if system not in same],
        root=root,
    )
