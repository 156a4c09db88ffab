"""The run directory: where everything about one training run lies, and how it is read again."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from torch import Tensor

from auxseg.assembly import CHOICES
from auxseg.config import Config, dotted, parsing, plain
from auxseg.config.values import dump_yaml
from auxseg.data.kept import COLUMNS, KeptSplit, read_split
from auxseg.errors import DataError, UsageError
from auxseg.runs.checkpoint import is_whole, read_checkpoint
from auxseg.runs.files import (
    ImageCounts,
    append_rows,
    cell,
    check_folder,
    read_counts_file,
    read_rows,
    replacing,
    write_counts,
    write_rows,
)
from auxseg.runs.lock import is_empty
from auxseg.runs.settings import MAY_GROW, longer, settings
from auxseg.runs.weights import read_metadata, read_weights, write_weights
from auxseg.types import ClassNames

#: What the names of the averaged weights begin with in a checkpoint, where there is an average.
AVERAGE = "teacher.model."


class RunDirectory:
    """Names, reads and writes the files of one run.

    ``config.yaml`` (with the data's class names and auxseg's version), ``split.csv`` (the part of
    every image, by name), ``history.csv`` (a row per completed epoch), ``metrics-SPLIT.json``,
    ``images-SPLIT.csv`` (metrics of single images), ``confusion-TASK-SPLIT.csv``, ``steps.csv``
    (losses and weights of every step), ``validation.npz`` (what each validation image added to the
    primary metric in every epoch), ``checkpoints/best.safetensors`` (weights only), ``last.ckpt``
    (all that resuming needs) and ``previous.ckpt`` beside it, and the TensorBoard events.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path).expanduser()
        self.config_file = self.path / "config.yaml"
        self.split_file = self.path / "split.csv"
        self.history_file = self.path / "history.csv"
        self.steps_file = self.path / "steps.csv"
        self.validation_file = self.path / "validation.npz"
        self.test_file = self.path / "test.npz"
        self.best = self.path / "checkpoints" / "best.safetensors"
        self.last = self.path / "checkpoints" / "last.ckpt"
        self.previous = self.path / "checkpoints" / "previous.ckpt"
        self.last_weights = self.path / "checkpoints" / "last.safetensors"

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
        if not resume and self.path.is_dir() and not is_empty(self.path):
            raise UsageError(
                f"{self.path}: is not empty; continue it with --resume or choose another --out"
            )

    def check_resumable(self, config: Config, *, extend: bool = False) -> Config | None:
        """Checks that the run was started with the same options.

        Args:
            extend: whether more epochs are allowed than it was started for.

        Returns:
            the configuration it was started with; None where it never was.

        Raises:
            UsageError: an option differs that may not.
        """
        if not self.config_file.is_file():
            return None
        started, _ = self.read_config()
        before, now = settings(started), settings(config)
        if extend and longer(started, config):
            before |= {key: now[key] for key in MAY_GROW}
            if self.last_weights.is_file() and not self.last.is_file():
                raise DataError(f"{self.path}: has no checkpoint any more to extend it from")
        for key in sorted(before.keys() | now.keys()):
            if before.get(key) != now.get(key):
                more = " (more epochs are possible)" if extend and key in MAY_GROW else ""
                old, new = (one.get(key, "the default") for one in (before, now))
                raise UsageError(
                    f"{self.path}: was started with {key} {old}, not {new}"
                    f"{more}; resume with the same options or choose another --out"
                )
        return started

    def checkpoint(self) -> Path | None:
        """The checkpoint to go on from: the last one that is whole; None where there is none yet.

        Raises:
            DataError: there is one, or there are two, and all are damaged.
        """
        found = [path for path in (self.last, self.previous) if path.is_file()]
        whole = next((path for path in found if is_whole(path)), None)
        if found and whole is None:
            names = " and ".join(map(str, found))
            verb, them = ("is", "it") if len(found) == 1 else ("are", "them")
            raise DataError(
                f"{names}: {verb} damaged; delete {them} and rerun with --resume to train this run "
                "from scratch"
            )
        return whole

    def put_away(self, checkpoint: Path | None) -> None:
        """Removes what a kill left half written, and a last checkpoint that is not gone on from."""
        for torn in self.path.rglob(".*.tmp"):
            torn.unlink(missing_ok=True)
        if checkpoint == self.previous:
            self.last.unlink(missing_ok=True)

    def write_config(
        self,
        config: Config,
        classes: ClassNames,
        version: str,
        images: Mapping[str, int],
        licence: str | None = None,
    ) -> None:
        """Writes ``config.yaml``.

        Args:
            images: how many there are: train, masks (of them), unlabelled, val, test.
            licence: of the starting weights, where it is known.
        """
        content = {
            "version": version,
            **({} if licence is None else {"weights_licence": licence}),
            **plain(config),
            "classes": {"mask": list(classes.mask), "label": list(classes.label)},
            "images": dict(images),
        }
        with replacing(self.config_file) as temporary:
            temporary.write_text(dump_yaml(content), encoding="utf-8")

    def read_config(self) -> tuple[Config, ClassNames]:
        """The configuration the run was started with, and its data's class names."""
        if not self.config_file.is_file():
            raise DataError(
                f"{self.path}: is not a run (it has no config.yaml); `auxseg train` makes one"
            )
        content = parsing.read_yaml(self.config_file)
        try:
            classes = ClassNames(*(tuple(content["classes"][kind]) for kind in ("mask", "label")))
            preset, options = parsing.run_options(content)
        except (KeyError, TypeError):
            raise DataError(f"{self.config_file}: is not a run's configuration") from None
        return parsing.to_config(preset, [options], CHOICES), classes

    def read_options(self, preset: str) -> dict[str, Any]:
        """The options the run was started with, by dotted key; none where it never was.

        Raises:
            UsageError: it is a run of another preset.
        """
        if not self.config_file.is_file():
            return {}
        config, _ = self.read_config()
        if config.preset != preset:
            raise UsageError(f"{self.path}: is a run of {config.preset}, not of {preset}")
        return dotted(config)

    def read_counts(self) -> dict[str, int]:
        """How many images the run trained, validated and tested on."""
        return dict(parsing.read_yaml(self.config_file).get("images", {}))

    def write_split(self, parts: Mapping[str, str]) -> None:
        """Writes ``split.csv``.

        Args:
            parts: image name → train, val, test or unused, of every image of the data set.
        """
        write_rows(self.split_file, [dict(zip(COLUMNS, row, strict=True)) for row in parts.items()])

    def read_split(self) -> KeptSplit | None:
        """The split that the run was started with; None for a run of before they were kept.

        Raises:
            DataError: the file was changed, and is malformed.
        """
        return read_split(self.split_file) if self.split_file.is_file() else None

    def read_licence(self) -> str | None:
        """The licence of the weights that the run started from; None where it is not known."""
        licence = parsing.read_yaml(self.config_file).get("weights_licence")
        return None if licence is None else str(licence)

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
        metrics: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return metrics

    def write_scores(self, split: str, rows: list[dict[str, Any]]) -> None:
        """Writes ``images-SPLIT.csv``: a row per image with the metrics that single images have."""
        write_rows(
            self.scores_file(split),
            [{key: cell(value) for key, value in row.items()} for row in rows],
        )

    def read_scores(self, split: str) -> dict[str, dict[str, float]]:
        """Image name → metric → value; empty where the split was not evaluated."""
        return {
            row["image"]: {
                key: float(value) for key, value in row.items() if key != "image" and value
            }
            for row in read_rows(self.scores_file(split))
        }

    def read_history(self) -> list[dict[str, str]]:
        return read_rows(self.history_file)

    def append_history(self, row: Mapping[str, Any]) -> None:
        """Adds the row of an epoch."""
        append_rows(self.history_file, [row])

    def read_steps(self) -> list[dict[str, str]]:
        """A row per step: epoch, step, ``TASK/loss``, ``TASK/weight``, ``A/B/cosine``."""
        return read_rows(self.steps_file)

    def append_steps(self, rows: Sequence[Mapping[str, Any]]) -> None:
        """Adds the rows of an epoch's steps."""
        append_rows(self.steps_file, rows)

    def append_validation(self, epoch: int, images: np.ndarray, counts: np.ndarray) -> None:
        """Adds what an epoch's validation found: images (n,), their counts (n, S).

        Where other images were validated before (the data changed while the run was stopped), the
        record starts anew: there is no comparing these epochs.
        """
        epochs, found = np.array([epoch]), counts[None]
        before = self.read_validation()
        if before is not None and np.array_equal(before.images, images):
            epochs = np.concatenate([before.epochs, epochs])
            found = np.concatenate([before.counts, found])
        write_counts(self.validation_file, ImageCounts(epochs, images, found))

    def read_validation(self) -> ImageCounts | None:
        """What validation found image by image; None where there was none yet."""
        return read_counts_file(self.validation_file)

    def drop_after(self, epoch: int) -> None:
        """Drops what was noted of later epochs: the run goes on from this one."""
        for file in (self.history_file, self.steps_file):
            kept = [row for row in read_rows(file) if int(row["epoch"]) <= epoch]
            if kept:
                write_rows(file, kept)
            else:
                file.unlink(missing_ok=True)
        validation = self.read_validation()
        if validation is not None:
            write_counts(self.validation_file, validation.until(epoch))

    def write_test(self, counts: ImageCounts) -> None:
        write_counts(self.test_file, counts)

    def read_test(self) -> ImageCounts | None:
        """What a study found on the test images with the last weights; None where it did not."""
        return read_counts_file(self.test_file)

    def drop_metrics(self) -> None:
        """Removes what was measured with the best weights, which are about to change."""
        kinds = ("metrics-*.json", "images-*.csv", "confusion-*.csv")
        for stale in (file for kind in kinds for file in self.path.glob(kind)):
            stale.unlink()

    # -- weights --------------------------------------------------------------------------------

    def write_best(
        self, state: Mapping[str, Tensor], epoch: int, metrics: Mapping[str, Any]
    ) -> None:
        """Keeps the best weights, with the epoch and the validation metrics they reached."""
        metadata = {"epoch": str(epoch), "metrics": json.dumps(dict(metrics))}
        write_weights(self.best, state, metadata)

    def read_best(self) -> dict[str, Tensor]:
        """The best weights; raises :class:`DataError` where there are none yet, or damaged ones."""
        self._check_best()
        return read_weights(self.best)

    def best_metrics(self) -> tuple[int, dict[str, Any]]:
        """(epoch, validation metrics) of the best weights."""
        self._check_best()
        metadata = read_metadata(self.best)
        return int(metadata["epoch"]), json.loads(metadata["metrics"])

    def slim(self) -> None:
        """Keeps of a finished run's last checkpoint its weights: it will not be resumed."""
        path = self.checkpoint()
        if path is None:
            return
        state = read_checkpoint(path)["state_dict"]
        averaged = any(name.startswith(AVERAGE) for name in state)
        prefix = AVERAGE if averaged else "model."
        tensors = {
            name.removeprefix(prefix): value
            for name, value in state.items()
            if name.startswith(prefix)
        }
        write_weights(self.last_weights, tensors)
        for one in (self.last, self.previous):
            one.unlink(missing_ok=True)

    def read_last(self) -> dict[str, Tensor]:
        """The weights after the last epoch; raises :class:`DataError` where they are gone."""
        if not self.last_weights.is_file():
            self.slim()  # it was stopped between its last epoch and this
        if not self.last_weights.is_file():
            raise DataError(f"{self.path}: its last weights are gone; train it again")
        return read_weights(self.last_weights)

    def _check_best(self) -> None:
        if not self.best.is_file():
            raise DataError(
                f"{self.path}: has no weights yet (no epoch of its training is complete)"
            )
