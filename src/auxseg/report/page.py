"""One self-contained HTML page about any runs: tables, curves, pictures, configuration.

Nothing in it is fetched: pictures are part of the file, and there is no script.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from auxseg.assembly import Data
from auxseg.errors import AuxsegError
from auxseg.progress import tracked
from auxseg.report.html import Section, write_page
from auxseg.report.photos import open_photos
from auxseg.report.sections import (
    attention_section,
    classes_section,
    configuration_section,
    curves_section,
    gallery_section,
    inputs_section,
    lessons_section,
    steps_section,
    table_section,
)
from auxseg.report.systems import (
    System,
    about_paper,
    caption,
    comparable,
    data_name,
    find_systems,
    measured_split,
    system_result,
)
from auxseg.report.table1 import table1
from auxseg.report.tables import to_csv, to_latex, to_markdown
from auxseg.runs.files import check_folder, write_text


@dataclass(frozen=True)
class Written:
    """What a report says in short.

    Attributes:
        rows: Table 1, rows of cells.
        caption: what must be known to read it.
        table: its file as Markdown; as CSV and LaTeX it lies beside it.
    """

    rows: list[list[str]]
    caption: str
    table: Path


def write_report(
    out: Path,
    directories: Sequence[str | Path],
    root: str | None = None,
    *,
    opened: Data | None = None,
    summary: Sequence[str] = (),
) -> Written:
    """Writes ``report.html``, ``table1.md``, ``table1.csv``, ``table1.tex`` and ``figures/``.

    About a user's own photos the tables are ``table.md``, …, and nothing is said of the paper.

    Args:
        directories: finished runs; those that differ in their seed alone are one system.
        root: where the data set lies now, if it moved since training.
        opened: the runs' data set, decoded at their size, where it is open already.
        summary: sentences that the page begins with.

    Raises:
        DataError: a folder is no finished run. Data that cannot be read any more are no error:
            the page says which figures are missing, and why.
    """
    check_folder(out)
    systems = find_systems(directories)
    split = measured_split(systems)
    paper = about_paper(systems)
    results = [system_result(system, split, paper=paper) for system in systems]
    rows = table1(results, comparable=comparable(systems, split))
    text = caption(systems, split)
    table = out / ("table1.md" if paper else "table.md")
    write_text(table, f"{to_markdown(rows)}\n\n{text}\n")
    write_text(table.with_suffix(".csv"), to_csv(rows))
    write_text(table.with_suffix(".tex"), to_latex(rows, text))
    sections = [
        *([Section("In short", list(summary))] if summary else []),
        table_section(rows, text, paper=paper),
        *_figures(systems, split, root, opened, paper=paper),
    ]
    sections.append(configuration_section(systems))
    count = len(systems)
    title = f"{count} system{'s' * (count > 1)} on {data_name(systems[0])}"
    write_page(out / "report.html", title, sections)
    return Written(rows, text, table)


def _figures(
    systems: Sequence[System], split: str, root: str | None, opened: Data | None, *, paper: bool
) -> list[Section]:
    """The paper's figures in its order; without the data, those that need none."""
    try:
        photos = open_photos(systems, split, root, opened)
    except AuxsegError as error:
        missing = Section("Photos: not shown", [f"The data cannot be read: {error}"])
        training = [curves_section(systems, paper=paper), steps_section(systems)]
        found = [
            classes_section(systems, split),
            *training,
            lessons_section(systems, None),
            missing,
        ]
        return [section for section in found if section is not None]
    makers: list[Callable[[], Section | None]] = [
        partial(classes_section, systems, split),
        partial(inputs_section, photos, paper=paper),
        partial(curves_section, systems, paper=paper),
        partial(steps_section, systems),
        partial(lessons_section, systems, photos),
        partial(gallery_section, photos, paper=paper),
        partial(attention_section, photos),
    ]
    sections = [make() for make in tracked(makers, "drawing the report", len(makers))]
    return [section for section in sections if section is not None]
