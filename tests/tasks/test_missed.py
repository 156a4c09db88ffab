"""What segmentation says of classes it does not find, from pixels counted by hand."""

from __future__ import annotations

import pytest
import torch

from auxseg.tasks import Remarks
from auxseg.tasks.edges import Edges
from auxseg.tasks.missed import MOST_NAMED
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames, Target

STREET = ClassNames(("road", "sky", "pole", "sign"), ())


def remarks(
    predicted: list[int], mask: list[int], task: Segmentation | None = None, classes: int = 4
) -> Remarks:
    """Of one image of one row of pixels."""
    task = task or Segmentation(STREET)
    logits = torch.nn.functional.one_hot(torch.tensor([[predicted]]), classes).movedim(3, 1).float()
    metrics = task.metrics()
    metrics.update(logits, Target(torch.tensor([[mask]]), torch.tensor([True])))
    return metrics.remarks()


def test_a_single_predicted_class_is_named_with_those_it_lacks() -> None:
    said = remarks([0, 0, 0, 0], [0, 0, 1, 3])
    assert "only road" in said.during
    assert "sky, sign" in said.during
    assert "pole" not in said.during  # no mask holds it
    assert "--training.lr" in said.during


def test_missed_classes_are_named_with_their_share() -> None:
    said = remarks([0, 0, 1, 0, 0, 0, 0, 0], [0, 0, 1, 3, 0, 0, 0, 0])
    assert said.during == ""
    assert "sign (12.5 %)" in said.after
    assert "sky" not in said.after
    assert "pole" not in said.after


def test_a_class_found_only_where_it_is_not_is_missed() -> None:
    said = remarks([0, 0, 1, 2], [0, 0, 2, 1])
    assert said.during == ""
    assert "sky (25 %), pole (25 %)" in said.after


def test_a_class_that_no_mask_holds_is_none_that_is_missed() -> None:
    assert remarks([0, 1, 2, 0], [0, 1, 0, 0]) == Remarks()


def test_ignored_pixels_count_neither_as_found_nor_as_missed() -> None:
    said = remarks([0, 0, 0, 1], [0, 0, 3, IGNORE_INDEX])
    assert "only road" in said.during
    assert "sign (33.3 %)" in said.after


def test_masks_of_one_class_ask_for_no_other() -> None:
    assert remarks([0, 0], [0, 0]) == Remarks()


def test_nothing_is_said_of_no_image() -> None:
    assert Segmentation(STREET).metrics().remarks() == Remarks()


def test_tasks_have_nothing_to_say_unless_they_do() -> None:
    assert Edges(STREET).metrics().remarks() == Remarks()


def test_many_missed_classes_are_not_all_named() -> None:
    names = tuple(f"class-{number}" for number in range(MOST_NAMED + 4))
    task = Segmentation(ClassNames(names, ()))
    said = remarks([0] * len(names), list(range(len(names))), task, len(names))
    for text in (said.during, said.after):
        assert f"class-{MOST_NAMED}" in text
        assert f"class-{MOST_NAMED + 1}" not in text
        assert "and 3 more" in text


@pytest.mark.parametrize(
    ("options", "advised"),
    [
        ({}, {"class_weights balanced", "loss ce+dice"}),
        ({"class_weights": "balanced"}, {"loss ce+dice"}),
        ({"class_weights": [1.0, 1.0, 2.0, 2.0]}, {"loss ce+dice"}),
        ({"loss": "ce+dice"}, {"class_weights balanced"}),
        ({"loss": "ce+dice", "class_weights": "balanced"}, set()),
    ],
)
def test_what_is_in_use_is_not_advised(options: dict[str, object], advised: set[str]) -> None:
    said = remarks([0, 0], [0, 3], Segmentation(STREET, **options))  # type: ignore[arg-type]
    for text in (said.during, said.after):
        for one in ("class_weights balanced", "loss ce+dice"):
            assert (f"--tasks.options.segmentation.{one}" in text) == (one in advised)
