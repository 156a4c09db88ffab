"""From a folder of photos and masks to a network that can be shipped, in the time given."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auxseg.config import Config
from auxseg.data.checks import Report
from auxseg.data.likeness import groups
from auxseg.devices import fast_bfloat16, pick_device
from auxseg.errors import DataError, UsageError
from auxseg.experiments.fit.begun import Begun, as_text
from auxseg.experiments.fit.costs import costs, masks, trained_masks
from auxseg.experiments.fit.interval import Interval, jackknife
from auxseg.experiments.fit.plan import FEWEST_STEPS, Plan, choose
from auxseg.experiments.fit.probe import Probed, probe
from auxseg.experiments.fit.verdict import Found, verdict
from auxseg.export import export
from auxseg.export.formats import need_onnx
from auxseg.progress import clock_time, duration
from auxseg.report.page import write_report
from auxseg.report.show import picture
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import write_text
from auxseg.runs.measure import Measured, measure_run
from auxseg.tasks.segmentation import Segmentation
from auxseg.training.fit import train

#: The size of the first probe; how long others take follows from their pixels.
PROBED = 96
#: So few steps teach nothing.
HOPELESS = 20
#: What is written beside the run's own files.
MODEL, PAGES, SUMMARY = "model.onnx", "report", "summary.md"
#: Dotted key → value of what is chosen → the configuration; what the user gave lies above it.
Configure = Callable[[dict[str, Any]], Config]
#: What is chosen unless it is given, but for the precision.
CHOSEN = ("data.image_size", "training.steps")
#: Options that contradict what the verb does.
REFUSED = {
    "training.epochs": "fit counts steps; give steps, or minutes alone",
    "training.stop_after": "fit trains to the end; give fewer steps, or minutes",
}


@dataclass(frozen=True)
class Request:
    """What is asked for.

    Attributes:
        report: of the folder, with details and without problems.
        configure: from what is chosen to a configuration.
        given: dotted key → value of the options that the user gave: those are not chosen.
        minutes: for everything.
        began: when the command began (:func:`time.perf_counter`).
        read: seconds that checking took per photo.
        say: takes lines for the user.
    """

    report: Report
    configure: Configure
    given: Mapping[str, Any]
    minutes: float
    began: float
    read: float
    say: Callable[[str], None] = print

    @property
    def spent(self) -> float:
        """Seconds since the command began."""
        return time.perf_counter() - self.began


@dataclass(frozen=True)
class Fitted:
    """What is there now.

    Attributes:
        run_dir: the run, with model, report and summary in it.
        iou: at the photos' own size, with its interval.
        part: the photos that it was measured on, val or test.
        lines: the summary.
        planned: the seconds that were announced when it began.
        seconds: that it took, this time.
        root: where the photos lie.
    """

    run_dir: Path
    iou: Interval
    part: str
    lines: tuple[str, ...]
    planned: float
    seconds: float
    root: str | None = None

    def show(self) -> Image.Image:
        """Photo, truth and prediction of held-back photos (:mod:`auxseg.report.show`)."""
        return picture(self.run_dir, self.root)


def fit(asked: Request, out: Path) -> Fitted:
    """Chooses size and length, trains, measures, exports, reports.

    A fit that was stopped goes on when the same is asked for again, with what was chosen then.

    Raises:
        UsageError, DataError, TrainingError: one line each; what cannot work is said before
            anything is trained.
    """
    run, begun = RunDirectory(out), Begun.read(out)
    _check_options(asked)
    lacking = _lacking_to_export()
    if lacking is not None:
        asked.say(f"warning: nothing will be exported: {lacking}")
    if begun is not None:
        begun.check(asked.minutes, asked.given, out)
    if begun is not None and run.config_file.is_file():
        config, _ = run.read_config()
        here = asked.configure({}).data.root
        config = replace(config, data=replace(config.data, root=here))
        asked.say(f"{out}: goes on with what was chosen when it began")
    else:
        config, plan = _planned(asked)
        begun = Begun(asked.minutes, as_text(asked.given), plan.seconds + asked.spent)
        asked.say(
            f"chosen: {plan.size} × {plan.size} pixels, {config.training.length}; about "
            f"{duration(begun.seconds)} in all, until {clock_time(begun.seconds - asked.spent)}"
        )
        _warn(asked, plan, begun.seconds)
        begun.write(out)
    result = train(config, out, resume=True)
    part = "test" if masks(asked.report, "test") else "val"
    root, accelerator = config.data.root, config.training.accelerator
    measure_run(out, part, root=root, accelerator=accelerator, opened=result.data)
    measured = measure_run(
        out, part, root=root, accelerator=accelerator, opened=result.data, native=True
    )
    iou = jackknife(_independent(asked.report, measured.by_photo))
    asked.say(f"measured on {len(measured.by_photo)} {part} photos at their own size: IoU {iou}")
    if lacking is None:
        shipped = export(out, out / MODEL, tasks=(Segmentation.NAME,), root=root, say=asked.say)
        asked.say(f"exported: {shipped.path} ({shipped.size / 1e6:.1f} MB)")
    found = _found(asked, config, run, measured, part, iou)
    lines = verdict(found, asked.report)
    write_report(out / PAGES, [out], root, opened=result.data, summary=lines)
    text = "\n".join(f"- {line}" for line in lines)
    write_text(out / SUMMARY, f"# {out.resolve().name}\n\n{text}\n")
    return Fitted(out, iou, part, tuple(lines), begun.seconds, asked.spent, root)


def _independent(report: Report, by_photo: Mapping[int, np.ndarray]) -> list[np.ndarray]:
    """The confusion of each photo, of those that look alike together: six exposures of one thing
    tell no more of other things than one does."""
    prints = {number: report.findings[number].print for number in by_photo}
    together = groups(prints)
    several = {number for group in together for number in group}
    single = [[number] for number in by_photo if number not in several]
    return [
        np.sum([by_photo[number] for number in group], axis=0) for group in (*together, *single)
    ]


def _found(
    asked: Request, config: Config, run: RunDirectory, measured: Measured, part: str, iou: Interval
) -> Found:
    report = asked.report
    truth = np.sum(list(measured.by_photo.values()), axis=0).sum(axis=1)
    per_class = measured.metrics[f"{Segmentation.NAME}/iou_per_class"]
    assert isinstance(per_class, list)
    names = report.dataset.mask_classes
    values = [math.nan if one is None else float(one) for one in per_class]
    rows = [row["val/segmentation/iou"] for row in run.read_history()]
    steps = config.training.steps
    assert steps is not None
    return Found(
        *(part, len(measured.by_photo), iou),
        classes=dict(zip(names, values, strict=False)),
        curve=[float(one) for one in rows if one],
        masks=trained_masks(report, config),
        steps=steps,
        size=config.data.image_size or 0,
        stretched=config.data.fit == "stretch",
        longest_side=_longest_side(report),
        minutes=asked.minutes,
        balanced=config.tasks.options.get(Segmentation.NAME, {}).get("class_weights") == "balanced",
        alone=float(truth[0] / max(truth.sum(), 1) / max((truth > 0).sum(), 1)),
    )


def _check_options(asked: Request) -> None:
    """Raises one line for what cannot work, before anything is trained."""
    for key, why in REFUSED.items():
        if asked.given.get(key) is not None:
            raise UsageError(f"{key}: {why}")
    if not 0 < asked.minutes < math.inf:
        raise UsageError(f"minutes: must be above 0, got {asked.minutes}")
    config = asked.configure({})
    if config.data.train_on != "train":
        raise UsageError("data.train_on: fit measures on the photos that it holds back")
    if config.tasks.names[0] != Segmentation.NAME:
        raise UsageError(
            f"tasks.names: fit ships segmentation, which comes first, not {config.tasks.names[0]}"
        )
    if masks(asked.report, "train") < 2:
        raise DataError("one photo in train has a mask; at least two are needed to learn from")


def _planned(asked: Request) -> tuple[Config, Plan]:
    """What is trained; times a few steps here."""
    own: dict[str, Any] = {"training.steps": FEWEST_STEPS, "training.channels_last": True}
    if fast_bfloat16(pick_device(asked.configure({}).training.accelerator)):
        own["training.precision"] = "bf16-mixed"
    given = asked.configure({**own, "data.image_size": PROBED})
    size = given.data.image_size if "data.image_size" in asked.given else None
    first = probe(given)
    plan = _choose(asked, given, first, size)
    if plan.size != given.data.image_size:
        # Once more with what a step takes at this size; the size stays.
        there = asked.configure({**own, "data.image_size": plan.size})
        plan = _choose(asked, there, probe(there), plan.size)
    own |= {
        "data.image_size": plan.size,
        "training.steps": plan.steps,
        "training.validate_every": plan.validate_every,
    }
    return asked.configure(own), plan


def _choose(asked: Request, config: Config, probed: Probed, size: int | None) -> Plan:
    """The plan after a probe of a configuration."""
    at = config.data.image_size
    assert at is not None
    return choose(
        costs(asked.report, config, probed, at, asked.read),
        60 * asked.minutes - asked.spent,
        masks=trained_masks(asked.report, config),
        batch_size=config.training.batch_size,
        longest_side=_longest_side(asked.report),
        size=size,
        steps=config.training.steps if "training.steps" in asked.given else None,
    )


def _longest_side(report: Report) -> int:
    return int(np.median([max(one.size) for one in report.findings if one.size is not None]))


def _warn(asked: Request, plan: Plan, seconds: float) -> None:
    """Where the time is short for what is to be done in it; raises where it is much too short."""
    if plan.steps < HOPELESS and "training.steps" not in asked.given:
        needed = math.ceil((plan.seconds + asked.spent + FEWEST_STEPS * plan.step) / 60)
        raise UsageError(
            f"minutes: {asked.minutes:g} are too few here, as everything but training takes about "
            f"{duration(seconds)}, measuring most of it: give --minutes {needed} or more, or "
            "--steps; try again if the machine was busy"
        )
    if seconds > 1.1 * 60 * asked.minutes:
        asked.say(
            f"warning: this takes about {duration(seconds)}, which is more than "
            f"{asked.minutes:g} minutes"
        )
    if plan.steps < FEWEST_STEPS and "training.steps" not in asked.given:
        asked.say(
            f"warning: {asked.minutes:g} minutes are short for this machine: {plan.steps} steps "
            "teach little; give more --minutes"
        )


def _lacking_to_export() -> str | None:
    """What is to be installed before ONNX can be written; None if nothing is."""
    try:
        need_onnx()
    except UsageError as error:
        return str(error).partition(": ")[2]
    return None
