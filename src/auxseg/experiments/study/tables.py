"""What a study found, in words and rows."""

from __future__ import annotations

import math
from collections.abc import Mapping
from statistics import mean
from typing import Any

from auxseg.experiments.study.confirm import Confirmation, winners
from auxseg.experiments.study.design import ALL_LABELS, Design
from auxseg.experiments.study.results import Results, Row
from auxseg.experiments.study.statistics import OPEN, Effect
from auxseg.report.tables import MISSING, format_spread

HEADER = (
    "labels",
    "tasks besides the target",
    "metric",
    "difference",
    "interval",
    "verdict",
    "seeds that would tell",
    "Δm in %",
)


def labels_name(labels: int | None) -> str:
    return ALL_LABELS if labels is None else str(labels)


def systems_table(results: Results) -> list[list[str]]:
    """A row per system, best first, below the baseline with the same number of labels."""
    header = [cell if cell != "metric" else results.metric for cell in HEADER]
    rows = [header]
    for labels, systems in results.rows.items():
        rows += [[labels_name(labels), *_cells(system)] for system in systems]
    return rows


def _cells(row: Row) -> list[str]:
    values = format_spread(list(row.values.values()))
    delta = format_spread(row.delta_m, 1) if row.delta_m else MISSING
    if row.against is None:
        return [row.arm.title, values, MISSING, MISSING, MISSING, MISSING, MISSING]
    return [row.arm.title, values, *effect_cells(row.against), delta]


def effect_cells(effect: Effect) -> list[str]:
    """Difference, interval, verdict and seeds needed."""
    needed = effect.seeds_needed
    enough = effect.verdict != OPEN
    return [
        f"{effect.difference:+.3f}",
        _interval(effect),
        effect.verdict,
        MISSING if enough else str(needed) if needed else "needs more images",
    ]


def _interval(effect: Effect) -> str:
    if not math.isfinite(effect.half_width):
        return MISSING
    low, high = effect.interval
    return f"{low:+.3f} to {high:+.3f}"


def tasks_table(results: Results) -> list[list[str]]:
    """A row per candidate task and number of labels: its mean effect over the sets it joins."""
    rows = [["labels", "task", *HEADER[3:7]]]
    for labels, effects in results.effects.items():
        ranked = sorted(effects.items(), key=lambda pair: -pair[1].difference)
        rows += [[labels_name(labels), task, *effect_cells(one)] for task, one in ranked]
    return rows


def verdict_table(results: Results) -> list[list[str]]:
    """A row per candidate task, a column per number of labels: verdict, difference, interval."""
    rows = [["task", *(f"labels: {labels_name(labels)}" for labels in results.rows)]]
    for task in results.design.auxiliary:
        found = [results.task_effect(task, labels) for labels in results.rows]
        cells = [
            f"{one.verdict}: {one.difference:+.3f} ({_interval(one)})" if one else MISSING
            for one in found
        ]
        rows.append([task, *cells])
    return rows


def verdicts(results: Results) -> list[str]:
    """One sentence per candidate task and number of labels, in plain words."""
    sentences = []
    for labels in results.rows:
        for task in results.design.auxiliary:
            found = results.task_effect(task, labels)
            if found is not None:
                where = f" with {labels} labels" if labels else ""
                sentences.append(f"{task}{where}: {explained(found)}")
    return sentences


def explained(effect: Effect) -> str:
    """Such as ``helps (+0.012, interval +0.003 to +0.021)``."""
    text = f"{effect.verdict} ({effect.difference:+.3f}, interval {_interval(effect)})"
    if effect.verdict != OPEN:
        return text
    if effect.seeds < 2:
        return f"{effect.verdict} ({effect.difference:+.3f}; one seed has no spread)"
    needed = effect.seeds_needed
    if needed is not None:
        return f"{text}; {needed} seeds would tell with a chance of 80 %, were it what it seems"
    if effect.seeds_could_tell:
        return f"{text}; no number of seeds that anyone would train would tell"
    return (
        f"{text}; more seeds alone would not tell: a difference this small can be due to which "
        f"{effect.images} images are there to validate on"
    )


def confirmation_text(confirmed: Mapping[int | None, Confirmation], results: Results) -> list[str]:
    """What the one look at the test images said."""
    if not winners(results):
        return ["No system helps on the validation images, so the test images were not touched."]
    if not confirmed:
        return [
            "What helps on the validation images is not confirmed on the test images: "
            + ("there are none with a label." if results.complete else "runs are missing.")
        ]
    sentences = []
    for labels, one in confirmed.items():
        base, winner = one.values
        low, high = one.against.interval
        sentences.append(
            f"Labels {labels_name(labels)}: {one.arm.title}, the best on the validation images, "
            f"reaches {results.metric} {winner:.3f} on the test images against {base:.3f}: "
            f"{one.against.difference:+.3f}, interval {low:+.3f} to {high:+.3f} "
            f"({'confirmed' if one.against.verdict == 'helps' else 'not confirmed'})."
        )
    return sentences


def method(results: Results) -> list[str]:
    """How the figures were made, for the page and the Markdown file."""
    design = results.design
    seeds = {
        labels_name(labels): len(rows[0].values) for labels, rows in results.rows.items() if rows
    }
    count = ", ".join(f"{number} (labels {labels})" for labels, number in seeds.items())
    several = f"the mean of the last {design.average} epochs"
    last = "the last epoch" if design.average == 1 else several
    return [
        f"Target: {results.metric} of the validation images at {last}, never at the best one. "
        f"Seeds per system: {count}. A difference is the mean over seeds of (system − "
        f"{design.target} alone) with the same seed, such that more is better.",
        f"Intervals (95 %) allow for other seeds and for other images. {_together(design)}A task "
        "helps or hurts where its interval leaves out 0.",
        "Δm: mean over all tasks of a system of the relative gain over networks trained on one "
        "task each."
        if design.alone
        else "",
    ]


def _together(design: Design) -> str:
    """What holds of all intervals of a table."""
    if design.comparisons == 1:
        return ""
    return (
        f"Those of one table hold together: with 95 % chance all {design.comparisons} differences "
        "between systems lie in theirs (Bonferroni). "
    )


def as_json(results: Results, confirmed: Mapping[int | None, Confirmation]) -> dict[str, Any]:
    """Everything of the tables, for programs; numbers are not rounded."""

    def of(effect: Effect | None) -> dict[str, Any] | None:
        if effect is None:
            return None
        low, high = effect.interval
        return {
            "difference": effect.difference,
            "low": low if math.isfinite(low) else None,
            "high": high if math.isfinite(high) else None,
            "verdict": effect.verdict,
            "seeds": effect.seeds,
            "seeds_needed": effect.seeds_needed,
            "comparisons": effect.comparisons,
        }

    return {
        "target": results.metric,
        "design": {
            "auxiliary": list(results.design.auxiliary),
            "kind": results.design.kind,
            "labels": [labels_name(labels) for labels in results.design.labels],
            "seeds": list(results.design.seeds),
            "average": results.design.average,
        },
        "systems": [
            {
                "labels": labels_name(labels),
                "tasks": list(row.arm.tasks),
                "values": {str(seed): value for seed, value in row.values.items()},
                "mean": mean(row.values.values()),
                "effect": of(row.against),
                "cosine": {task: mean(values.values()) for task, values in row.conflict.items()},
                "opposed": row.opposed,
                "delta_m": list(row.delta_m),
            }
            for labels, rows in results.rows.items()
            for row in rows
        ],
        "tasks": [
            {"labels": labels_name(labels), "task": task, "effect": of(found)}
            for labels in results.rows
            for task in results.design.auxiliary
            if (found := results.task_effect(task, labels)) is not None
        ],
        "test": [
            {
                "labels": labels_name(labels),
                "tasks": list(one.arm.tasks),
                "baseline": one.values[0],
                "winner": one.values[1],
                "effect": of(one.against),
            }
            for labels, one in confirmed.items()
        ],
        "unfinished": results.unfinished,
    }
