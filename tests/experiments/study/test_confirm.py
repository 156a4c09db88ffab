"""Which system is confirmed, and when nothing is."""

from __future__ import annotations

from auxseg.experiments.study.confirm import confirm, winners
from auxseg.experiments.study.design import Arm, Design
from auxseg.experiments.study.results import Results, Row
from auxseg.experiments.study.statistics import Effect
from auxseg.experiments.study.tables import confirmation_text
from auxseg.tasks import TASKS
from auxseg.types import ClassNames

DESIGN = Design("segmentation", ("bbox", "edges"), seeds=(0, 1, 2), alone=False)
TASK = TASKS["segmentation"](ClassNames(("background", "pet"), ()))


def a_row(task: str, difference: float, spread: float, seeds: int = 3) -> Row:
    effect = Effect(difference, seeds, spread**2, 0.0, 60, comparisons=2)
    return Row(Arm(("segmentation", task)), dict.fromkeys(range(seeds), 0.6), effect)


def some_results(*rows: Row, seeds: int = 3) -> Results:
    baseline = Row(Arm(("segmentation",)), dict.fromkeys(range(seeds), 0.5))
    return Results(DESIGN, TASK, "segmentation/iou", {None: [baseline, *rows]}, {}, [])


def test_the_best_of_those_that_help_wins_and_not_a_noisier_one_above_it() -> None:
    results = some_results(a_row("bbox", 0.05, 0.03), a_row("edges", 0.03, 0.003))
    rows = results.rows[None]
    assert [row.against.verdict for row in rows if row.against] == ["cannot tell yet", "helps"]
    assert winners(results)[None].arm.auxiliary == ("edges",)


def test_where_none_helps_nobody_wins_and_no_test_image_is_read() -> None:
    results = some_results(a_row("bbox", 0.01, 0.03), a_row("edges", -0.3, 0.003))
    assert winners(results) == {}
    assert confirm(results, []) == {}
    (text,) = confirmation_text({}, results)
    assert "not touched" in text


def test_missing_seeds_put_the_confirmation_off() -> None:
    results = some_results(a_row("bbox", 0.1, 0.001, seeds=2), seeds=2)
    assert not results.complete
    assert confirm(results, []) == {}
    (text,) = confirmation_text({}, results)
    assert "runs are missing" in text
