"""Colours of the tasks, and legends that fit."""

from __future__ import annotations

import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from auxseg.report.curves import colour, keys, legend, panels
from auxseg.tasks import TASKS


def test_no_two_tasks_have_the_same_colour() -> None:
    assert len({colour(task) for task in TASKS}) == len(TASKS)


@pytest.mark.parametrize("count", [1, 2, 4])
def test_a_legend_of_all_tasks_lies_inside_the_figure(count: int) -> None:
    figure, _ = panels(count)
    legend(figure, keys({task: colour(task) for task in TASKS}))
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= figure.bbox.height
    for axis in figure.axes:
        if axis.get_visible():
            assert axis.get_window_extent().height > 80
