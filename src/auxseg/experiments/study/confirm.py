"""The one look at the test images: the winner against the baseline."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch

from auxseg import assembly
from auxseg.devices import pick_device
from auxseg.experiments.study.design import Arm, Run
from auxseg.experiments.study.results import Results, Row
from auxseg.experiments.study.statistics import HELPS, Effect, Measured, effect
from auxseg.models import MultiTaskModel
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


def confirm(results: Results, runs: Sequence[Run]) -> dict[int | None, Confirmation]:
    """Measures winners and their baselines on the test images, once: what is there is kept.

    Where no system helps on the validation images, or runs that are compared are missing, the test
    images stay unseen. Nothing is confirmed where no test image has a label of the target.
    """
    if not results.complete:
        return {}
    directory = {(run.arm, run.seed): run for run in runs}
    chosen = winners(results)
    confirmed = {}
    for labels, row in chosen.items():
        baseline = results.design.arm((), labels)
        seeds = list(row.values)
        winner_counts, baseline_counts = (
            Measured(np.stack([_test_counts(directory[arm, seed], results.task) for seed in seeds]))
            for arm in (row.arm, baseline)
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
def _test_counts(run: Run, target: Task) -> np.ndarray:
    """What each test image adds to the target's metric, (1, n, S), of the last epoch's weights."""
    directory = RunDirectory(run.directory)
    kept = directory.read_test()
    if kept is None:
        config, classes = directory.read_config()
        config = assembly.measured(assembly.moved(config, run.config.data.root))
        tasks = assembly.make_tasks(config, classes)
        model = assembly.make_model(config, tasks)
        model.load_state_dict(directory.read_last())
        device = pick_device(run.config.training.accelerator)
        model = model.to(device).eval()
        data = assembly.open_data(config)
        if not data.split.test:
            return np.zeros((1, 0, 1))
        loader = assembly.make_eval_loader(config, data, tasks, "test")
        found = [_counts(model, target, batch.to(device)) for batch in loader]
        images, counts = (np.concatenate(parts) for parts in zip(*found, strict=True))
        kept = ImageCounts(np.array([config.training.last_epoch]), images, counts[None])
        directory.write_test(kept)
    return kept.counts


def _counts(model: MultiTaskModel, target: Task, batch: Batch) -> tuple[np.ndarray, np.ndarray]:
    truth = batch.targets[target.NAME]
    prediction = model(batch.view_of(target.NAME), (target.NAME,))[target.NAME].float()
    present = truth.present
    counts = target.counts(prediction[present], truth.value[present])
    return batch.index[present].cpu().numpy(), counts.cpu().numpy()
