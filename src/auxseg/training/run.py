"""The run directory: where everything about one training run lies, and how it is read again."""

from __future__ import annotations

import csv
import io
import json
import math
import os
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import yaml
from safetensors import SafetensorError, safe_open
from safetensors.torch import load_file, save_file
from torch import Tensor

from auxseg import options
from auxseg.build import CHOICES
from auxseg.config import Config, plain
from auxseg.errors import DataError, UsageError
from auxseg.types import ClassNames

#: Options that change where and how fast a run computes, not what: they may differ on resume.
MAY_DIFFER = frozenset({"training.accelerator", "data.num_workers", "data.root", "data.cache_dir"})


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Yields a temporary name beside ``path``, renamed in the end: never a half-written file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            yield temporary
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
    except OSError as error:
        raise DataError(f"{path}: cannot be written ({error.strerror or error})") from error


def check_folder(path: Path) -> None:
    """Raises :class:`UsageError` unless files can be written into a folder, made if need be."""
    nearest = next(folder for folder in (path, *path.absolute().parents) if folder.exists())
    if not nearest.is_dir():
        raise UsageError(f"{nearest}: is a file; --out takes a folder")
    if not os.access(nearest, os.W_OK):
        raise UsageError(f"{nearest}: may not be written to; choose another --out")


@dataclass(frozen=True)
class Validation:
    """What each labelled validation image adds to the primary metric, epoch by epoch.

    Attributes:
        epochs: int64 (E,), counted from 1.
        images: int64 (n,), ascending: the images' numbers in their data set.
        counts: float32 (E, n, S), see :meth:`auxseg.tasks.base.Task.counts`.
    """

    epochs: np.ndarray
    images: np.ndarray
    counts: np.ndarray

    def until(self, epoch: int) -> Validation:
        """The first epochs alone."""
        keep = self.epochs <= epoch
        return Validation(self.epochs[keep], self.images, self.counts[keep])


class RunDirectory:
    """Names, reads and writes the files of one run.

    ``config.yaml`` (with the data's class names and auxseg's version), ``history.csv`` (a row per
    completed epoch), ``metrics-SPLIT.json``, ``images-SPLIT.csv`` (metrics of single images),
    ``steps.csv`` (losses and weights of every step), ``validation.npz`` (what each validation
    image added to the primary metric in every epoch), ``checkpoints/best.safetensors`` (weights
    only),
    ``checkpoints/last.ckpt`` (all that resuming needs) and the TensorBoard events.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        self.config_file = self.path / "config.yaml"
        self.history_file = self.path / "history.csv"
        self.steps_file = self.path / "steps.csv"
        self.validation_file = self.path / "validation.npz"
        self.best = self.path / "checkpoints" / "best.safetensors"
        self.last = self.path / "checkpoints" / "last.ckpt"

    def metrics_file(self, split: str) -> Path:
        return self.path / f"metrics-{split}.json"

    def scores_file(self, split: str) -> Path:
        return self.path / f"images-{split}.csv"

    def finished(self, epochs: int) -> bool:
        """Whether training came to its end: all epochs, then the validation metrics."""
        return len(self.read_history()) >= epochs and self.metrics_file("val").is_file()

    # -- starting -------------------------------------------------------------------------------

    def check_startable(self, resume: bool) -> None:
        """Raises :class:`UsageError` where a fresh run would overwrite something."""
        check_folder(self.path)
        if not resume and self.path.is_dir() and any(self.path.iterdir()):
            raise UsageError(
                f"{self.path}: is not empty; go on with --resume or choose another --out"
            )

    def check_resumable(self, config: Config) -> None:
        """Raises :class:`UsageError` if the run was started with other options.

        Raises :class:`DataError` if its last checkpoint is damaged.
        """
        if self.last.is_file() and not zipfile.is_zipfile(self.last):
            raise DataError(f"{self.last}: is damaged; delete it to start this run afresh")
        if not self.config_file.is_file():
            return
        before, now = settings(self.read_config()[0]), settings(config)
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                raise UsageError(
                    f"{self.path}: was started with {key} {before.get(key)}, not {now.get(key)}; "
                    "resume with the same options or choose another --out"
                )

    def write_config(
        self, config: Config, classes: ClassNames, version: str, images: Mapping[str, int]
    ) -> None:
        """Writes ``config.yaml``.

        Args:
            images: how many there are: train, masks (of them), unlabelled, val, test.
        """
        content = {
            "version": version,
            **plain(config),
            "classes": {"mask": list(classes.mask), "label": list(classes.label)},
            "images": dict(images),
        }
        with replacing(self.config_file) as temporary:
            temporary.write_text(yaml.safe_dump(content, sort_keys=False), encoding="utf-8")

    def read_config(self) -> tuple[Config, ClassNames]:
        """The configuration the run was started with, and its data's class names."""
        if not self.config_file.is_file():
            raise DataError(
                f"{self.path}: is no run (it has no config.yaml); `auxseg train` makes one"
            )
        content = options.read_yaml(self.config_file)
        try:
            classes = ClassNames(*(tuple(content["classes"][kind]) for kind in ("mask", "label")))
            preset = content["preset"]
            groups = {name: content[name] for name in content if name not in options.RUN_KEYS}
        except (KeyError, TypeError):
            raise DataError(f"{self.config_file}: is no run's configuration") from None
        return options.from_plain(preset, groups, CHOICES), classes

    def read_counts(self) -> dict[str, int]:
        """How many images the run trained, validated and tested on."""
        return dict(options.read_yaml(self.config_file).get("images", {}))

    # -- metrics and history --------------------------------------------------------------------

    def write_metrics(self, split: str, metrics: Mapping[str, Any]) -> None:
        with replacing(self.metrics_file(split)) as temporary:
            temporary.write_text(json.dumps(dict(metrics), indent=2) + "\n", encoding="utf-8")

    def read_metrics(self, split: str) -> dict[str, Any]:
        path = self.metrics_file(split)
        if not path.is_file():
            raise DataError(
                f"{path}: does not exist yet (`auxseg evaluate {self.path} --split {split}`)"
            )
        return json.loads(path.read_text(encoding="utf-8"))

    def write_scores(self, split: str, rows: list[dict[str, Any]]) -> None:
        """Writes ``images-SPLIT.csv``: a row per image with the metrics that single images have."""
        _write_rows(
            self.scores_file(split),
            [{key: _number(value) for key, value in row.items()} for row in rows],
        )

    def read_scores(self, split: str) -> dict[str, dict[str, float]]:
        """Image name → metric → value; empty where the split was not evaluated."""
        return {
            row["image"]: {
                key: float(value) for key, value in row.items() if key != "image" and value
            }
            for row in _read_rows(self.scores_file(split))
        }

    def read_history(self) -> list[dict[str, str]]:
        return _read_rows(self.history_file)

    def write_history(self, rows: list[dict[str, Any]]) -> None:
        _write_rows(self.history_file, rows)

    def read_steps(self) -> list[dict[str, str]]:
        """A row per step: epoch, step, ``TASK/loss``, ``TASK/weight``, ``A/B/cosine``."""
        return _read_rows(self.steps_file)

    def write_steps(self, rows: list[dict[str, Any]]) -> None:
        _write_rows(self.steps_file, rows)

    def write_validation(self, validation: Validation) -> None:
        with replacing(self.validation_file) as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **vars(validation))

    def read_validation(self) -> Validation | None:
        """What validation found image by image; None where there was none yet."""
        if not self.validation_file.is_file():
            return None
        with np.load(self.validation_file) as arrays:
            return Validation(**arrays)

    # -- weights --------------------------------------------------------------------------------

    def write_best(
        self, state: Mapping[str, Tensor], epoch: int, metrics: Mapping[str, Any]
    ) -> None:
        """Keeps the best weights, with the epoch and the validation metrics they reached."""
        tensors = {name: value.detach().cpu().contiguous() for name, value in state.items()}
        metadata = {"epoch": str(epoch), "metrics": json.dumps(dict(metrics))}
        with replacing(self.best) as temporary:
            save_file(tensors, temporary, metadata)

    def read_best(self) -> dict[str, Tensor]:
        """The best weights; raises :class:`DataError` where there are none yet."""
        self._check_best()
        return load_file(self.best)

    def best_metrics(self) -> tuple[int, dict[str, Any]]:
        """(epoch, validation metrics) of the best weights."""
        self._check_best()
        with safe_open(self.best, framework="pt") as stream:
            metadata = stream.metadata()
        return int(metadata["epoch"]), json.loads(metadata["metrics"])

    def _check_best(self) -> None:
        if not self.best.is_file():
            raise DataError(
                f"{self.path}: has no weights yet (no epoch of its training is complete)"
            )
        try:
            safe_open(self.best, framework="pt")
        except SafetensorError:
            raise DataError(f"{self.best}: is damaged; train again with another --out") from None


def _read_rows(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as stream:
        return list(csv.DictReader(stream))


def _write_rows(path: Path, rows: list[dict[str, Any]]) -> None:
    columns = list(dict.fromkeys(column for row in rows for column in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    with replacing(path) as temporary:
        temporary.write_text(stream.getvalue(), encoding="utf-8")


def _number(value: Any) -> Any:
    """A cell of a table; an undefined number is an empty one."""
    if not isinstance(value, float):
        return value
    return f"{value:.6g}" if math.isfinite(value) else ""


def settings(config: Config) -> dict[str, Any]:
    """All that decides a run's result, by dotted key; of a folder that may move its last name."""
    values = {key: value for key, value in flat(plain(config)).items() if key not in MAY_DIFFER}
    if config.data.unlabelled is not None:
        values["data.unlabelled"] = Path(config.data.unlabelled).absolute().name
    return values


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values → dotted key → value."""
    dotted: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            dotted |= flat(value, f"{prefix}{name}.")
        else:
            dotted[f"{prefix}{name}"] = value
    return dotted
