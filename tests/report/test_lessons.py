"""What the report says of a teacher: figures, table, and nothing where there was none."""

from __future__ import annotations

import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg

from auxseg.config import TrainingConfig
from auxseg.report import lessons
from auxseg.report.sections import lessons_section
from auxseg.report.tables import MISSING
from auxseg.runs.directory import RunDirectory

TASKS = ("segmentation", "consistency")
CONFIDENT = "train/consistency/confident"
STEPS = TrainingConfig(steps=8, validate_every=4)


def a_system(folder: Path, *histories: list[dict[str, Any]], **changes: Any) -> Any:
    """What the section reads of a system: a run per history, epochs in their order."""
    runs = []
    for number, history in enumerate(histories):
        run = RunDirectory(folder / str(number))
        for epoch, row in enumerate(history, start=1):
            run.append_history({"epoch": epoch} | row)
        runs.append(run)
    config = SimpleNamespace(
        tasks=SimpleNamespace(names=changes.get("tasks", TASKS)),
        training=changes.get("training", STEPS),
    )
    classes = SimpleNamespace(mask=changes.get("classes", ("sky", "pole")))
    name = changes.get("name", "unet-semi")
    return SimpleNamespace(name=name, config=config, classes=classes, runs=tuple(runs))


def row(confident: float, *parts: float | str, classes: tuple[str, ...] = ("sky", "pole")) -> Any:
    named = {
        f"train/consistency/pseudo_labels/{name}": part
        for name, part in zip(classes, parts, strict=True)
    }
    return {CONFIDENT: confident, **named, "val/consistency/confident": confident / 2}


def lines(figure: Any, panel: int = 0) -> list[tuple[list[float], list[float]]]:
    return [(list(one.get_xdata()), list(one.get_ydata())) for one in figure.axes[panel].lines]


def test_a_system_without_a_teacher_has_no_section(tmp_path: Path) -> None:
    plain = a_system(tmp_path / "a", [{"train/loss": 1.0}], tasks=("segmentation",))
    older = a_system(tmp_path / "b", [{"train/loss": 1.0}])
    assert lessons_section([plain, older], None) is None
    teaching = a_system(tmp_path / "c", [row(0.5, 0.9, 0.1)])
    section = lessons_section([plain, teaching], None)
    assert section is not None
    assert all(
        sum(axis.get_visible() for axis in figure.axes) == 1 for figure in section.figures.values()
    )


def test_curves_are_drawn_over_steps(tmp_path: Path) -> None:
    system = a_system(tmp_path, [row(0.2, 0.9, 0.1), row(0.6, 0.7, 0.3)])
    figure = lessons.confident_figure([system])
    assert lines(figure) == [([4, 8], [0.2, 0.6]), ([4, 8], [0.1, 0.3])]
    assert figure.get_supxlabel() == "step"
    parts = lessons.pseudo_labels_figure([system])
    assert parts is not None
    assert lines(parts) == [([4, 8], [0.9, 0.7]), ([4, 8], [0.1, 0.3])]


def test_seeds_are_averaged_where_they_have_a_value(tmp_path: Path) -> None:
    """A young teacher may be sure of nothing: then no class has a part."""
    system = a_system(
        tmp_path,
        [row(0.0, "", ""), row(0.0, "", ""), row(0.4, 0.8, 0.2)],
        [row(0.0, "", ""), row(0.2, 1.0, 0.0), row(0.6, 0.6, 0.4)],
    )
    parts = lessons.pseudo_labels_figure([system])
    assert parts is not None
    sky = lines(parts)[0][1]
    assert math.isnan(sky[0])
    assert sky[1:] == pytest.approx([1.0, 0.7])
    table = lessons.pseudo_labels_table([system], {})
    assert table == [["class", "unet-semi"], ["sky", "70 %"], ["pole", "30 %"]]


def test_the_table_sets_the_parts_beside_the_masks(tmp_path: Path) -> None:
    first = a_system(tmp_path / "a", [row(0.5, 0.999, 0.001)])
    other = a_system(tmp_path / "b", [row(0.0, "", "")], name="other")
    pixels = np.array([75, 25])
    same = lessons.pseudo_labels_table([first, other], {"unet-semi": pixels, "other": 2 * pixels})
    assert same == [
        ["class", "masks", "unet-semi", "other"],
        ["sky", "75 %", "99.9 %", MISSING],
        ["pole", "25 %", "0.1 %", MISSING],
    ]
    apart = lessons.pseudo_labels_table([first, other], {"unet-semi": pixels})
    assert apart[0] == ["class", "masks of unet-semi", "unet-semi", "other"]


def test_systems_of_other_classes_share_a_table(tmp_path: Path) -> None:
    first = a_system(tmp_path / "a", [row(0.5, 0.9, 0.1)])
    classes = ("sky", "road")
    other = a_system(
        tmp_path / "b", [row(0.5, 0.4, 0.6, classes=classes)], classes=classes, name="other"
    )
    assert lessons.pseudo_labels_table([first, other], {})[1:] == [
        ["sky", "90 %", "40 %"],
        ["pole", "10 %", MISSING],
        ["road", MISSING, "60 %"],
    ]


def test_many_classes_are_a_table_alone(tmp_path: Path) -> None:
    classes = tuple(f"class {number}" for number in range(60))
    history = [row(0.5, *[1 / 60] * 60, classes=classes)]
    section = lessons_section([a_system(tmp_path, history, classes=classes)], None)
    assert section is not None
    assert list(section.figures) == ["teacher-confident"]
    assert len(section.tables[0]) == 61
    assert any("classes" in paragraph and "table" in paragraph for paragraph in section.text)


def test_long_names_of_as_many_classes_as_are_drawn_fit_the_figure(tmp_path: Path) -> None:
    classes = tuple(f"{number}: a name that goes on and on" for number in range(10))
    history = [row(0.5, *[0.1] * 10, classes=classes)]
    figure = lessons.pseudo_labels_figure([a_system(tmp_path, history, classes=classes)])
    assert figure is not None
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.legends[0].get_window_extent(canvas.get_renderer())
    assert len(figure.legends[0].get_texts()) == 10
    assert 0 <= box.x0 < box.x1 <= figure.bbox.width
    assert box.y1 <= figure.bbox.height
