"""Where tasks look, in numbers worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from auxseg.predict import Prediction
from auxseg.report.attention import attention_figure, attention_table
from auxseg.types import Sample


class Looking:
    """Stands for a trained system: looks at the left half, as strongly as told."""

    def __init__(self, strength: float) -> None:
        self.strength = strength

    def predict(self, image: np.ndarray, *, attention: bool) -> Prediction:
        mask = np.full((2, 8, 8), 0.5, dtype=np.float16)
        mask[:, :, :4] += self.strength
        masks = {"bbox/encoder-1": mask, "bbox/encoder-2": mask[:, ::2, ::2]}
        return Prediction("", image, {}, image, {}, masks)


def sample(left: bool) -> Sample:
    mask = np.zeros((16, 16), dtype=np.uint8)
    mask[:, slice(0, 8) if left else slice(8, 16)] = 1
    box = np.array([0.0, 0.0, 0.5, 1.0] if left else [0.5, 0.0, 1.0, 1.0], dtype=np.float32)
    return Sample(np.zeros((16, 16, 3), dtype=np.uint8), mask, None, box)


def test_inside_less_outside_in_standard_deviations() -> None:
    """Half the picture at m, half at m + s: the deviation is s / 2, so the cell is ± 2."""
    rows = attention_table(Looking(0.25), [sample(left=True)])  # type: ignore[arg-type]
    assert rows == [
        ["task, region", "encoder-1", "encoder-2"],
        ["bbox, box", "+2.00", "+2.00"],
        ["bbox, foreground", "+2.00", "+2.00"],
    ]
    (_, box, _) = attention_table(Looking(0.25), [sample(left=False)])  # type: ignore[arg-type]
    assert box == ["bbox, box", "-2.00", "-2.00"]


def test_means_over_photos_leave_out_what_has_no_answer() -> None:
    bare = Sample(np.zeros((16, 16, 3), dtype=np.uint8))
    both = [sample(left=True), sample(left=False), bare]
    rows = attention_table(Looking(0.25), both)  # type: ignore[arg-type]
    assert rows[1] == ["bbox, box", "+0.00", "+0.00"]
    flat = attention_table(Looking(0.0), [sample(left=True)])  # type: ignore[arg-type]
    assert flat[1] == ["bbox, box", "–", "–"]


@pytest.mark.filterwarnings("error")
def test_a_figure_has_a_row_per_task_and_a_column_per_block() -> None:
    found = Looking(0.25).predict(np.zeros((16, 24, 3), dtype=np.uint8), attention=True)
    titles = [axis.get_title(loc="left") for axis in attention_figure(found).axes]
    assert titles == ["bbox", "encoder-1  0.50 to 0.75", "encoder-2  0.50 to 0.75"]
