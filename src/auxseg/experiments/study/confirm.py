"""The one look at the test images: the winner against the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from auxseg import assembly
from auxseg.devices import pick_device
from auxseg.errors import DataError
from auxseg.experiments.study.design import Arm, Run
from auxseg.experiments.study.results import Results, Row
from auxseg.experiments.study.statistics import HELPS, Effect, Measured, effect
from auxseg.models import MultiTaskModel
from auxseg.runs.data import open_run_data
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import ImageCounts
from auxseg.tasks import Task
from auxseg.types import Batch


@dataclass(frozen=True)
class Confirmation:
    """A winner's effect on the test images.

    Attributes:
        values: (baseline, winner), the mean test metric over seeds, of the last epoch's weights.
    """

    arm: Arm
    against: Effect
    values: tuple[float, float]


def winners(results: Results) -> dict[int | None, Row]:
    """Per number of labels the best system, where its validation interval says that it helps."""
    found = {}
    for labels, rows in results.rows.items():
        helping = [row for row in rows if row.against and row.against.verdict == HELPS]
        if helping:
            found[labels] = helping[0]  # rows are in order
    return found


def confirm(
    results: Results, runs: Sequence[Run], opened: assembly.Data | None = None
) -> dict[int | None, Confirmation]:
    """Measures winners and their baselines on the test images, once: what is there is kept.

    Where no system helps on the validation images, or runs that are compared are missing, the test
    images stay unseen. Nothing is confirmed where no test image has a label of the target.

    Args:
        opened: the study's data, where they are open already.

    Raises:
        DataError: the test images are not the same for all runs that are compared.
    """
    if not results.complete:
        return {}
    directory = {(run.arm, run.seed): run for run in runs}
    chosen = winners(results)
    confirmed = {}
    for labels, row in chosen.items():
        baseline = results.design.arm((), labels)
        seeds = list(row.values)
        arms = (row.arm, baseline)
        tested = [directory[arm, seed] for arm in arms for seed in seeds]
        counts = [_test_counts(run, results.task, opened) for run in tested]
        _check_same_images(tested, counts)
        winner_counts, baseline_counts = (
            Measured(np.stack([one.counts for one in part]))
            for part in (counts[: len(seeds)], counts[len(seeds) :])
        )
        if not baseline_counts.counts.shape[2]:
            continue
        info = next(iter(results.task.METRICS.values()))
        pool = results.task.pool
        confirmed[labels] = Confirmation(
            row.arm,
            effect(
                pool,
                [winner_counts],
                [baseline_counts],
                sign=1.0 if info.higher_is_better else -1.0,
                comparisons=len(chosen),
            ),
            (float(baseline_counts.metric(pool).mean()), float(winner_counts.metric(pool).mean())),
        )
    return confirmed


@torch.inference_mode()
def _test_counts(run: Run, target: Task, opened: assembly.Data | None) -> ImageCounts:
    """What each test image adds to the target's metric, of the last epoch's weights."""
    directory = RunDirectory(run.directory)
    kept = directory.read_test()
    if kept is None:
        config, classes = directory.read_config()
        tasks = assembly.make_tasks(config, classes)
        model = assembly.make_model(config, tasks)
        model.load_state_dict(directory.read_last())
        device = pick_device(run.config.training.accelerator)
        model = model.to(device).eval()
        data = open_run_data(directory, run.config.data.root, opened=opened)
        if not data.split.test:
            return ImageCounts(np.zeros(1), np.zeros(0), np.zeros((1, 0, 1)))
        loader = assembly.make_eval_loader(config, data, tasks, "test")
        found = [_counts(model, target, batch.to(device)) for batch in loader]
        images, counts = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = ImageCounts(np.array([config.training.last_epoch]), images, counts[None])
        directory.write_test(kept)
    return kept


def _check_same_images(runs: Sequence[Run], counts: Sequence[ImageCounts]) -> None:
    """Raises :class:`DataError` where two runs were not tested on the same images."""
    for run, found in zip(runs, counts, strict=True):
        if not np.array_equal(found.images, counts[0].images):
            raise DataError(
                f"{run.directory}: was tested on other images than {runs[0].directory}; the data "
                "changed between them: start the study again with another --out"
            )


def _counts(model: MultiTaskModel, target: Task, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    truth = batch.targets[target.NAME]
    prediction = model(batch.view_of(target.NAME), (target.NAME,))[target.NAME].float()
    present = truth.present
    counts = target.counts(prediction[present], truth.value[present])
    return batch.index[present].cpu().numpy(), counts.cpu().numpy()
