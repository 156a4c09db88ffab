"""From a folder of photos and masks to a network that can be shipped, in the time given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.config import Config
from auxseg.data.checks import Report
from auxseg.devices import fast_bfloat16, pick_device
from auxseg.errors import DataError, UsageError
from auxseg.experiments.fit.interval import Interval, jackknife
from auxseg.experiments.fit.plan import FEWEST_STEPS, Costs, Plan, choose
from auxseg.experiments.fit.probe import Probed, probe
from auxseg.experiments.fit.verdict import Found, verdict
from auxseg.export import export
from auxseg.export.formats import need_onnx
from auxseg.report.page import write_report
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import write_text
from auxseg.runs.measure import measure_run
from auxseg.tasks.segmentation import Segmentation
from auxseg.training.fit import train

#: The size of the first probe; how long others take follows from their pixels.
PROBED = 96
#: Seconds for exporting and for the report, and per photo that is measured, beside the network.
EXPORT, REPORT, READ = 20.0, 5.0, 0.03
#: What is written beside the run's own files.
MODEL, PAGES, SUMMARY = "model.onnx", "report", "summary.md"


@dataclass(frozen=True)
class Fitted:
    """What is there now.

    Attributes:
        run_dir: the run, with model, report and summary in it.
        iou: at the photos' own size, with its interval.
        part: the photos that it was measured on, val or test.
        lines: the summary.
        planned: the seconds that were announced; None where a run went on.
        seconds: that it took.
    """

    run_dir: Path
    iou: Interval
    part: str
    lines: tuple[str, ...]
    planned: float | None
    seconds: float


def fit(
    report: Report,
    configure: Callable[[dict[str, Any]], Config],
    out: Path,
    *,
    minutes: float,
    chosen: Sequence[str] = (),
    began: float | None = None,
    say: Callable[[str], None] = print,
) -> Fitted:
    """Chooses size and length, trains, measures, exports, reports.

    A run that was stopped goes on with what was chosen then.

    Args:
        report: of the folder, without problems.
        configure: dotted key → value of what is chosen here → the configuration; what the user gave
            lies above it.
        out: the run directory.
        minutes: for everything.
        chosen: dotted keys of the options that the user gave.
        began: when the command began (:func:`time.perf_counter`).
        say: takes lines for the user.

    Raises:
        UsageError, DataError, TrainingError: one line each.
    """
    began = time.perf_counter() if began is None else began
    lacking = _lacking_to_export()
    if lacking is not None:
        say(f"warning: nothing will be exported: {lacking}")
    run = RunDirectory(out)
    planned: Plan | None = None
    if run.config_file.is_file():
        config, _ = run.read_config()
        say(f"{out}: goes on with what was chosen when it began")
    else:
        run.check_startable(resume=False)
        config, planned = _planned(report, configure, chosen, minutes, began)
        announced = planned.seconds + time.perf_counter() - began
        say(_opening(report, config, announced))
        if planned.steps < FEWEST_STEPS:
            say(
                f"warning: {minutes:g} minutes are short for this machine: {planned.steps} steps "
                "teach little; give more --minutes"
            )
    result = train(config, out, resume=run.config_file.is_file(), extend=False)
    data = result.data
    part = "test" if run.read_counts().get("test") else "val"
    measured = measure_run(out, part, native=True, opened=data, root=config.data.root)
    measure_run(out, part, opened=data, root=config.data.root)
    iou = jackknife(list(measured.by_photo.values()))
    say(f"measured on {len(measured.by_photo)} {part} photos at their own size: IoU {iou}")
    if lacking is None:
        shipped = export(out, out / MODEL, root=config.data.root)
        say(f"exported: {shipped.path} ({shipped.size / 1e6:.1f} MB)")
    write_report(out / PAGES, [out], config.data.root, opened=data)
    per_class = measured.metrics[f"{Segmentation.NAME}/iou_per_class"]
    assert isinstance(per_class, list)
    found = Found(
        *(part, len(measured.by_photo), iou),
        classes=dict(
            zip(report.dataset.mask_classes, [_number(one) for one in per_class], strict=False)
        ),
        curve=[float(row["val/segmentation/iou"]) for row in run.read_history()],
        masks=_masks(report, "train"),
        size=config.data.image_size or 0,
    )
    lines = verdict(found, report)
    text = "\n".join(f"- {line}" for line in lines)
    write_text(out / SUMMARY, f"# {report.dataset.NAME}: {out.name}\n\n{text}\n")
    seconds = time.perf_counter() - began
    announced_ = None if planned is None else announced
    return Fitted(out, iou, part, tuple(lines), announced_, seconds)


def _lacking_to_export() -> str | None:
    """What is to be installed before ONNX can be written; None if nothing is."""
    try:
        need_onnx()
    except UsageError as error:
        return str(error).partition(": ")[2]
    return None


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def _masks(report: Report, part: str) -> int:
    numbers = getattr(report.split, part)
    return sum(report.findings[number].pixels is not None for number in numbers)


def _planned(
    report: Report,
    configure: Callable[[dict[str, Any]], Config],
    chosen: Sequence[str],
    minutes: float,
    began: float,
) -> tuple[Config, Plan]:
    """What is trained; times a few steps here."""
    for part in ("train", "val"):
        if not _masks(report, part):
            raise DataError(f"no photo in {part} has a mask; `auxseg data check` says more")
    if "training.epochs" in chosen:
        raise UsageError("epochs: fit counts steps; give steps, or minutes alone")
    own: dict[str, Any] = {"training.steps": FEWEST_STEPS, "training.channels_last": True}
    given = configure({**own, "data.image_size": PROBED})
    if fast_bfloat16(pick_device(given.training.accelerator)):
        own["training.precision"] = "bf16-mixed"
        given = configure({**own, "data.image_size": PROBED})
    size = given.data.image_size if "data.image_size" in chosen else None
    steps = given.training.steps if "training.steps" in chosen else None
    first = probe(given)
    plan = _choose(
        report, given, first, given.data.image_size or PROBED, minutes, began, size, steps
    )
    if plan.size == given.data.image_size:
        again = first
    else:
        again = probe(configure({**own, "data.image_size": plan.size}))
    # Once more with what a step takes at this size; the size stays.
    plan = _choose(report, given, again, plan.size, minutes, began, plan.size, steps)
    own |= {
        "data.image_size": plan.size,
        "training.steps": plan.steps,
        "training.validate_every": plan.validate_every,
    }
    return configure(own), plan


def _choose(
    report: Report,
    config: Config,
    probed: Probed,
    at: int,
    minutes: float,
    began: float,
    size: int | None,
    steps: int | None,
) -> Plan:
    measured = _masks(report, "test") or _masks(report, "val")
    batch = config.training.batch_size

    def times(seconds: float) -> Callable[[int], float]:
        return lambda size: seconds * (size / at) ** 2

    step, validation = times(probed.step), times(probed.validation)
    costs = Costs(
        step,
        # What starts again is quicker: the photos are decoded.
        before=lambda size: probed.start * (1 if size == at else 2),
        # Measured twice: at the network's size and at the photos' own.
        after=lambda size: EXPORT + REPORT + measured * (2 * step(size) / batch / 3 + READ),
        validation=validation,
    )
    return choose(
        costs,
        60 * minutes - (time.perf_counter() - began),
        masks=_masks(report, "train"),
        batch_size=batch,
        longest_side=_longest_side(report),
        size=size,
        steps=steps,
    )


def _longest_side(report: Report) -> int:
    return int(np.median([max(one.size) for one in report.findings if one.size is not None]))


def _opening(report: Report, config: Config, seconds: float) -> str:
    """Device, photos, masks, classes, size, steps, and when it should be done."""
    device = pick_device(config.training.accelerator)
    masks = sum(one.pixels is not None for one in report.findings)
    classes = len(report.dataset.mask_classes)
    ready = time.strftime("%H:%M", time.localtime(time.time() + seconds))
    return (
        f"{config.preset} on {device}: {len(report.findings)} photos, {masks} masks, {classes} "
        f"classes; {config.data.image_size} × {config.data.image_size} pixels, "
        f"{config.training.length} of {config.training.batch_size}; about {duration(seconds)} in "
        f"all, until {ready}"
    )


def duration(seconds: float) -> str:
    """``4 min 10 s``."""
    whole = round(seconds)
    return f"{whole // 60} min {whole % 60} s" if whole >= 60 else f"{whole} s"
