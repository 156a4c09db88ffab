"""Which photos a report shows."""

from __future__ import annotations

from auxseg.report.gallery import SCORE, choose, spread

NAMES = [f"{number}.jpg" for number in range(10)]


def scores(values: dict[int, float]) -> dict[str, dict[str, float]]:
    return {f"{number}.jpg": {SCORE: value} for number, value in values.items()}


def test_spread_takes_the_ends_and_what_lies_evenly_between() -> None:
    assert spread(range(10, 21), 3) == [10, 15, 20]
    assert spread([4, 7], 5) == [4, 7]


def test_best_and_worst_by_the_mean_over_systems() -> None:
    first = scores({number: number / 10 for number in range(10)})
    second = scores({**{number: number / 10 for number in range(9)}, 9: 0.1})
    chosen = choose(range(10), NAMES, [first, second], extremes=2, between=2)
    assert [choice.index for choice in chosen] == [8, 7, 2, 9, 1, 0]
    assert [choice.reason for choice in chosen] == [
        "best: mean IoU 0.80",
        "best: mean IoU 0.70",
        "at equal distances",
        "at equal distances",
        "worst: mean IoU 0.10",
        "worst: mean IoU 0.00",
    ]


def test_without_scores_none_is_best_or_worst() -> None:
    chosen = choose(range(10), NAMES, [{}], between=3)
    assert [choice.index for choice in chosen] == [0, 4, 9]
    assert {choice.reason for choice in chosen} == {"at equal distances"}


def test_few_photos_are_shown_once_each() -> None:
    chosen = choose([3, 5], NAMES[:2], [scores({0: 0.5, 1: 0.9})])
    assert [choice.index for choice in chosen] == [5, 3]
