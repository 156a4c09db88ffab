"""Class by class: the matrix against scikit-image, its table and its picture."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from skimage.metrics import contingency_table

from auxseg.errors import DataError
from auxseg.report.classes import class_rows, confusion_figure
from auxseg.runs.confusion import Confusion, read_confusion, write_confusion
from auxseg.tasks.classification import Classification
from auxseg.tasks.segmentation import Segmentation
from auxseg.types import IGNORE_INDEX, ClassNames

CLASSES = ("background", "a, b", "rare", "never")
#: 90 of 100 background pixels found; half of "a, b" taken for background; "rare" never found.
COUNTS = np.array([[90, 10, 0, 0], [20, 20, 0, 0], [3, 7, 0, 0], [0, 0, 0, 0]])


def test_the_table() -> None:
    assert class_rows(Confusion(CLASSES, COUNTS)) == [
        ["class", "IoU", "found", "share of all", "most often taken for"],
        ["background", "0.732", "90.0%", "66.67%", "a, b (10.0%)"],
        ["a, b", "0.351", "50.0%", "26.67%", "background (50.0%)"],
        ["rare", "0.000", "0.0%", "6.67%", "a, b (70.0%)"],
        ["never", "–", "–", "0.00%", "–"],
    ]


def test_segmentation_counts_pairs_of_labelled_pixels() -> None:
    draw = torch.Generator().manual_seed(0)
    logits = torch.randn(3, 4, 9, 7, generator=draw)
    mask = torch.randint(0, 4, (3, 9, 7), generator=draw).to(torch.uint8)
    mask[:, :2] = IGNORE_INDEX
    found = Segmentation(ClassNames(CLASSES, ())).confusion(logits, mask).numpy()
    seen = mask.numpy() != IGNORE_INDEX
    true, predicted = mask.numpy()[seen], logits.argmax(dim=1).numpy()[seen]
    expected = contingency_table(true, predicted, normalize=False).toarray()
    np.testing.assert_array_equal(found, expected)


def test_classification_counts_images() -> None:
    logits = torch.tensor([[2.0, 1.0], [0.0, 1.0], [0.0, 1.0]])
    task = Classification(ClassNames((), ("cat", "dog")))
    assert task.confusion(logits, torch.tensor([0, 0, 1])).tolist() == [[1, 1], [0, 1]]


def test_it_is_written_and_read(tmp_path: Path) -> None:
    path = tmp_path / "confusion.csv"
    assert read_confusion(path) is None
    write_confusion(path, Confusion(CLASSES, COUNTS))
    found = read_confusion(path)
    assert found is not None
    assert found.classes == CLASSES
    np.testing.assert_array_equal(found.counts, COUNTS)
    for text in ("", "true class,a\na,x\n", "true class,a,b\na,1,2\n", "other,a\na,1\n"):
        path.write_text(text)
        with pytest.raises(DataError, match=r"confusion\.csv: is not a confusion matrix"):
            read_confusion(path)


def test_the_figure_names_the_classes_and_writes_shares() -> None:
    (axis,) = confusion_figure(Confusion(CLASSES, COUNTS)).axes
    assert [label.get_text() for label in axis.get_yticklabels()] == list(CLASSES)
    written = {(text.get_position()): text.get_text() for text in axis.texts}
    assert written == {(0, 0): "90", (1, 0): "10", (0, 1): "50", (1, 1): "50", (0, 2): "30",
                       (1, 2): "70"}  # fmt: skip
