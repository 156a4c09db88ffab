"""Runs → systems: runs that differ in their seed alone are one system, a column of a table."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from auxseg.config import Config, plain
from auxseg.errors import DataError
from auxseg.evaluation.cost import cost
from auxseg.evaluation.table1 import SystemResult
from auxseg.presets import PRESETS
from auxseg.training.pretrain import weights_origin
from auxseg.training.run import MAY_DIFFER, RunDirectory, flat
from auxseg.types import ClassNames


@dataclass(frozen=True)
class System:
    """One system with a run per seed.

    Attributes:
        name: its preset, and what sets it apart from another system of that preset.
        config, classes: those of the first run.
        runs: in order of their seeds.
    """

    name: str
    config: Config
    classes: ClassNames
    runs: tuple[RunDirectory, ...]

    @property
    def first(self) -> Path:
        """The run that stands for the system in pictures."""
        return self.runs[0].path

    @property
    def seeds(self) -> list[int]:
        return [run.read_config()[0].training.seed for run in self.runs]


def find_systems(directories: Sequence[str | Path]) -> list[System]:
    """Groups runs into systems: presets in their order, then presets with other options.

    Raises:
        DataError: a folder is no run, or its training has not come to an end.
    """
    groups: dict[str, list[tuple[Config, ClassNames, RunDirectory]]] = {}
    for directory in directories:
        run = RunDirectory(directory)
        config, classes = run.read_config()
        if not run.finished(config.training.epochs):
            raise DataError(f"{run.path}: its training is not finished (--resume goes on)")
        groups.setdefault(repr(_settings(config)), []).append((config, classes, run))
    order = {name: number for number, name in enumerate(PRESETS)}
    found = sorted(
        (sorted(group, key=lambda item: item[0].training.seed) for group in groups.values()),
        key=lambda group: (order.get(group[0][0].preset, len(order)), _changes(group[0][0])),
    )
    configs = [group[0][0] for group in found]
    systems = [
        System(_name(group[0][0], configs), *group[0][:2], tuple(item[2] for item in group))
        for group in found
    ]
    return sorted(systems, key=lambda system: system.name != system.config.preset)


def _settings(config: Config) -> dict[str, Any]:
    """All that makes a system, by dotted key."""
    ignored = {*MAY_DIFFER, "training.seed"}
    return {key: value for key, value in flat(plain(config)).items() if key not in ignored}


def _changes(config: Config) -> int:
    """In how many options a system differs from the defaults."""
    defaults = _settings(Config(config.preset))
    return sum(value != defaults.get(key) for key, value in _settings(config).items())


def _name(config: Config, all_configs: Sequence[Config]) -> str:
    """The preset, with the options in which others of the same preset differ from this one.

    The first of a preset, the one nearest to the defaults, keeps its bare name.
    """
    same = [other for other in all_configs if other.preset == config.preset]
    if same[0] is config:
        return config.preset
    before, now = _settings(same[0]), _settings(config)
    keys = [key for key in (before | now) if before.get(key) != now.get(key)]
    changes = ", ".join(f"{key.split('.')[-1]} {now.get(key)}" for key in keys)
    return f"{config.preset} ({changes})"


def measured_split(systems: Sequence[System]) -> str:
    """``test`` where every run was tested, else ``val``."""
    runs = [run for system in systems for run in system.runs]
    return "test" if all(run.metrics_file("test").is_file() for run in runs) else "val"


def system_result(system: System, split: str) -> SystemResult:
    """What Table 1 shows of a system."""
    rows = [row for run in system.runs for row in run.read_history()]
    peaks = [float(row["peak_memory_mb"]) for row in rows if row.get("peak_memory_mb")]
    bare = system.name == system.config.preset
    return SystemResult(
        name=system.name,
        preset=system.config.preset if bare else None,
        metrics=[run.read_metrics(split) for run in system.runs],
        weights=weights_origin(system.config),
        seconds=mean(float(row["seconds"]) for row in rows),
        cost=cost(system.config, system.classes),
        peak_memory=max(peaks) * 2**20 if peaks else None,
    )


def caption(systems: Sequence[System], split: str) -> str:
    """What must be known to read the table."""
    config, counts = systems[0].config, systems[0].runs[0].read_counts()
    side, training = config.data.image_size, config.training
    seeds = sorted({seed for system in systems for seed in system.seeds})
    chosen = f"seed {seeds[0]}" if len(seeds) == 1 else f"seeds {', '.join(map(str, seeds))}"
    spread = (
        ", mean ± standard deviation over seeds (n − 1); the 95 % interval of the mean is "
        "Student's t over seeds"
        if len(seeds) > 1
        else ""
    )
    images = ", ".join(
        f"{counts[part]} {title}"
        for part, title in (("train", "training"), ("val", "validation"), ("test", "test"))
        if part in counts
    )
    shown = {"test": "test images", "val": "validation images (not every run was tested)"}[split]
    return (
        f"Ours: {config.data.name}, {images} images at {side}×{side}, width "
        f"{config.model.width:g}, {training.epochs} epochs, batch {training.batch_size}, "
        f"{chosen}{spread}; metrics of the {shown}, best epoch by validation IoU. "
        "The paper's: Pushilal et al., Oxford-IIIT Pet, 738 dogs-only test images at full width, "
        "30 epochs, one run. Other data, size and length of training: compare systems, not figures."
    )
