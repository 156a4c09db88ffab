"""Runs → systems: runs that differ in their seed alone are one system, a column of a table."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from auxseg.assembly import make_fit
from auxseg.config import Config, DataConfig
from auxseg.config.presets import PRESETS
from auxseg.data.datasets.folder.dataset import Folder
from auxseg.data.kept import KeptSplit
from auxseg.errors import DataError
from auxseg.report.progress import EPOCH_OF_STEPS
from auxseg.report.table1 import SystemResult
from auxseg.runs.cost import cost
from auxseg.runs.directory import RunDirectory
from auxseg.runs.settings import settings
from auxseg.training.memory import training_memory
from auxseg.training.pretrain import weights_origin
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

    @property
    def counts(self) -> dict[str, int]:
        """How many images the first run was trained and measured on."""
        return self.runs[0].read_counts()


@dataclass(frozen=True)
class _Run:
    directory: RunDirectory
    config: Config
    classes: ClassNames

    @property
    def system(self) -> dict[str, Any]:
        """All that makes a system, by dotted key: everything but the seed, and the data."""
        own = settings(self.config)
        del own["training.seed"]
        return own | {"data.root": _place(self.config.data), "classes": self.classes}


def find_systems(directories: Sequence[str | Path]) -> list[System]:
    """Groups runs into systems: presets in their order, then presets with other options.

    Raises:
        DataError: a folder is no run, its training has not come to an end, or two runs of a
            system have the same seed.
    """
    groups: dict[str, list[_Run]] = {}
    for path in dict.fromkeys(Path(directory).resolve() for directory in directories):
        run = _read(_as_given(path, directories))
        groups.setdefault(repr(run.system), []).append(run)
    order = {name: number for number, name in enumerate(PRESETS)}
    found = sorted(
        (sorted(group, key=lambda run: run.config.training.seed) for group in groups.values()),
        key=lambda group: (order.get(group[0].config.preset, len(order)), _changes(group[0])),
    )
    for group in found:
        _check_seeds(group)
    firsts = [group[0] for group in found]
    systems = [
        System(
            _name(group[0], firsts),
            group[0].config,
            group[0].classes,
            tuple(run.directory for run in group),
        )
        for group in found
    ]
    return sorted(systems, key=lambda system: system.name != system.config.preset)


def _as_given(path: Path, directories: Sequence[str | Path]) -> Path:
    """The first spelling of a folder, for messages."""
    return next(Path(one) for one in directories if Path(one).resolve() == path)


def _read(path: Path) -> _Run:
    directory = RunDirectory(path)
    config, classes = directory.read_config()
    if not directory.finished(config.training.last_epoch):
        raise DataError(f"{path}: its training is not finished (continue it with --resume)")
    return _Run(directory, config, classes)


def _check_seeds(group: Sequence[_Run]) -> None:
    """Raises :class:`DataError` where a run is there twice: that is no further seed."""
    seen: dict[int, _Run] = {}
    for run in group:
        twin = seen.setdefault(run.config.training.seed, run)
        if twin is not run:
            raise DataError(
                f"{run.directory.path}: has the seed and the options of {twin.directory.path}; "
                "name one of them"
            )


def _changes(run: _Run) -> int:
    """In how many options a system differs from the defaults."""
    defaults = settings(Config(run.config.preset))
    return sum(value != defaults.get(key) for key, value in settings(run.config).items())


def _name(run: _Run, firsts: Sequence[_Run]) -> str:
    """The preset, with the options in which it differs from another system of that preset.

    The first of a preset, the one nearest to the defaults, keeps its bare name; another balancer
    than the paper's, or another encoder than the preset's, is named in any case.
    """
    same = [other for other in firsts if other.config.preset == run.config.preset]
    before, now = same[0].system, run.system
    keys = [key for key in (before | now) if before.get(key) != now.get(key)]
    usual = {"training.balancer": Config("").training.balancer}
    if run.config.preset in PRESETS:
        usual["model.encoder"] = PRESETS[run.config.preset].encoder
    unusual = [key for key, value in usual.items() if now.get(key) != value]
    keys = list(dict.fromkeys([*unusual, *keys]))
    last = [key.split(".")[-1] for key in keys]
    changes = ", ".join(
        f"{short if last.count(short) == 1 else key} {shown(now.get(key))}"
        for key, short in zip(keys, last, strict=True)
    )
    return f"{run.config.preset} ({changes})" if changes else run.config.preset


def shown(value: Any) -> str:
    """An option's value in a table: of a path its last part, of a list its items."""
    if isinstance(value, list):
        return " + ".join(map(str, value))
    return Path(value).name if isinstance(value, str) and "/" in value else str(value)


def measured_split(systems: Sequence[System]) -> str:
    """``test`` where every run was tested, else ``val``."""
    runs = [run for system in systems for run in system.runs]
    for run in runs:
        trained_on = run.read_config()[0].data.train_on
        if trained_on == "train+val" and not run.metrics_file("test").is_file():
            missing = f"is not tested yet (`auxseg evaluate {run.path}`)"
            if run.read_counts().get("test") == 0:
                missing = "has no test images: there is nothing to measure it on"
            raise DataError(f"{run.path}: was trained on its validation images and {missing}")
    return "test" if all(run.metrics_file("test").is_file() for run in runs) else "val"


def comparable(systems: Sequence[System], split: str) -> bool:
    """Whether all runs were measured on the same images at the same size."""
    how = {(_size(one), one.classes, one.counts.get(split)) for one in systems}
    runs = [(one.config.data, run) for one in systems for run in one.runs]
    return len(how) == 1 and all(same_photos(runs[0], run, split) for run in runs)


def same_photos(
    one: tuple[DataConfig, RunDirectory], other: tuple[DataConfig, RunDirectory], part: str
) -> bool:
    """Whether two runs have the same images in a part, however many they were trained on."""
    (data, run), (other_data, other_run) = one, other
    if _source(data) != _source(other_data):
        return False
    kept, other_kept = run.read_split(), other_run.read_split()
    if kept is None or other_kept is None:  # of before they were kept: drawn by the same rule
        return (data.split, data.split_seed) == (other_data.split, other_data.split_seed)
    return _names(kept, part) == _names(other_kept, part)


def _source(data: DataConfig) -> tuple[Any, ...]:
    """What decides which photos there are and what is known of them."""
    return (data.name, _place(data), data.ignore_index, data.options)


def _names(kept: KeptSplit, part: str) -> set[str]:
    return {name for name, its in kept.parts.items() if its == part}


def _place(data: DataConfig) -> str | None:
    """The data set's folder, however it was spelled."""
    return data.root and str(Path(data.root).expanduser().resolve())


def about_paper(systems: Sequence[System]) -> bool:
    """Whether the paper's figures may stand beside: not beside those of a user's own photos."""
    return all(system.config.data.name != Folder.NAME for system in systems)


def system_result(system: System, split: str, *, paper: bool = True) -> SystemResult:
    """What the table shows of a system.

    Args:
        paper: whether the paper's figures stand beside.
    """
    rows = [row for run in system.runs for row in run.read_history()]
    peaks = [float(row["peak_memory_mib"]) for row in rows if row.get("peak_memory_mib")]
    bare = system.name == system.config.preset
    return SystemResult(
        name=system.name,
        preset=system.config.preset if bare and paper else None,
        metrics=[run.read_metrics(split) for run in system.runs],
        seeds=system.seeds,
        weights=weights_origin(system.config),
        seconds=mean(float(row["seconds"]) for row in rows),
        cost=cost(system.config, system.classes),
        memory=training_memory(system.config, system.classes),
        peak_memory=max(peaks) * 2**20 if peaks else None,
    )


def caption(systems: Sequence[System], split: str) -> str:
    """What must be known to read the table; where systems differ, every value."""

    def each(value: Callable[[System], Any]) -> str:
        return " or ".join(dict.fromkeys(str(value(system)) for system in systems))

    def count(part: str, title: str) -> str:
        return f"{each(lambda system: system.counts.get(part, '?'))} {title}"

    seeds = sorted({seed for system in systems for seed in system.seeds})
    several = any(len(system.runs) > 1 for system in systems)
    images = [count("train", "training"), count("val", "validation"), count("test", "test")]
    if any(system.counts.get("masks") != system.counts.get("train") for system in systems):
        images[0] += f" ({count('masks', 'with a mask')})"
    if any(system.counts.get("unlabelled") for system in systems):
        images.insert(1, count("unlabelled", "unlabelled"))
    sentences = [
        f"{'Ours: ' * about_paper(systems)}{each(data_name)}, {', '.join(images)} images at "
        f"{each(_size)}, width "
        f"{each(lambda system: f'{system.config.model.width:g}')}, "
        f"{each(lambda system: system.config.training.length)}, batch "
        f"{each(lambda system: system.config.training.batch_size)}, "
        f"seed{'s' if len(seeds) > 1 else ''} {', '.join(map(str, seeds))}.",
        f"Metrics of the {_measured(systems, split)}, {_chosen(systems)}.",
        "Mean ± standard deviation over seeds (n − 1); the 95 % interval of the mean is Student's "
        "t over seeds."
        if several
        else "",
        "" if comparable(systems, split) else "Not all were measured on the same images.",
        EPOCH_OF_STEPS if any(one.config.training.steps is not None for one in systems) else "",
        "Seconds per epoch include validation; systems trained beside each other slow each other.",
        "The paper's: Pushilal et al., Oxford-IIIT Pet, 738 dogs-only test images at full width, "
        "30 epochs, one run. Other data, size and length: compare systems, not figures."
        if about_paper(systems)
        else "",
    ]
    return " ".join(sentence for sentence in sentences if sentence)


def data_name(system: System) -> str:
    """What a system was trained on: of a user's own photos the folder."""
    data = system.config.data
    return Path(data.root).name if data.name == Folder.NAME and data.root else data.name


def _chosen(systems: Sequence[System]) -> str:
    """Which epoch's weights were measured."""
    validated = [system.config.data.train_on == "train" for system in systems]
    best = "best epoch by validation IoU"
    last = "last epoch (validation images were trained on)"
    return best if all(validated) else f"{best}, or {last}" if any(validated) else last


def _size(system: System) -> str:
    return make_fit(system.config).shown


def _measured(systems: Sequence[System], split: str) -> str:
    """Which images the metrics are of, and why not of the test images."""
    if split == "test":
        return "test images"
    testable = any(system.counts.get("test") != 0 for system in systems)
    why = "not every run was tested" if testable else "there are no test images"
    return f"validation images ({why})"
