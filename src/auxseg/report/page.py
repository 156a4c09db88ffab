"""One self-contained HTML page about any runs: tables, curves, pictures, configuration.

Nothing in it is fetched: pictures are part of the file, and there is no script.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from auxseg.errors import AuxsegError
from auxseg.evaluation.systems import (
    System,
    caption,
    comparable,
    find_systems,
    measured_split,
    system_result,
)
from auxseg.evaluation.table1 import table1
from auxseg.evaluation.tables import Best, to_csv, to_latex, to_markdown
from auxseg.report.photos import open_photos
from auxseg.report.sections import (
    Section,
    attention_section,
    configuration_section,
    curves_section,
    gallery_section,
    inputs_section,
    table_section,
)
from auxseg.training.run import check_folder, replacing

#: Dots per inch of pictures; curves are drawn as vectors.
DPI = 110
#: Figures shrink with the page to this part of their size; below it they are scrolled.
SMALLEST = 0.6


def write_report(
    out: Path, directories: Sequence[str | Path], root: str | None = None
) -> tuple[list[list[str]], str]:
    """Writes ``report.html``, ``table1.md``, ``table1.csv``, ``table1.tex`` and ``figures/``.

    Args:
        directories: finished runs; those that differ in their seed alone are one system.
        root: where the data set lies now, if it moved since training.

    Returns:
        Table 1, rows of cells, and its caption.

    Raises:
        DataError: a folder is no finished run. Data that cannot be read any more are no error:
            the page says which figures are missing, and why.
    """
    check_folder(out)
    systems = find_systems(directories)
    split = measured_split(systems)
    results = [system_result(system, split) for system in systems]
    rows = table1(results, comparable=comparable(systems, split))
    text = caption(systems, split)
    _write_text(out / "table1.md", f"{to_markdown(rows)}\n\n{text}\n")
    _write_text(out / "table1.csv", to_csv(rows))
    _write_text(out / "table1.tex", to_latex(rows, text))
    sections = [table_section(rows, text), *_figures(systems, split, root)]
    sections.append(configuration_section(systems))
    _write_text(out / "report.html", _render(systems, sections, out / "figures"))
    return rows, text


def _figures(systems: Sequence[System], split: str, root: str | None) -> list[Section]:
    """The paper's figures in its order; without the data, those that need none."""
    try:
        photos = open_photos(systems, split, root)
    except AuxsegError as error:
        missing = Section("Photos: not shown", [f"The data cannot be read: {error}"])
        return [curves_section(systems), missing]
    sections = [
        inputs_section(photos),
        curves_section(systems),
        gallery_section(photos),
        attention_section(photos),
    ]
    return [section for section in sections if section is not None]


def _render(systems: Sequence[System], sections: Sequence[Section], folder: Path) -> str:
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.tests["best"] = lambda cell: isinstance(cell, Best)
    environment.globals["picture"] = lambda name, figure, title: _embed(
        name, figure, f"{title} ({name})", folder
    )
    template = files("auxseg.report").joinpath("template.html").read_text(encoding="utf-8")
    return environment.from_string(template).render(
        title=f"{len(systems)} systems on {systems[0].config.data.name}",
        sections=sections,
        made=f"auxseg {version('auxseg')}, {date.today().isoformat()}",
    )


def _embed(name: str, figure: Figure, title: str, folder: Path) -> Markup:
    """Writes a figure into the folder, and gives the same as an element of the page."""
    vector = not any(axis.images for axis in figure.axes)
    ending, kind = ("svg", "image/svg+xml") if vector else ("png", "image/png")
    stream = io.BytesIO()
    figure.savefig(stream, format=ending, dpi=DPI)
    with replacing(folder / f"{name}.{ending}") as temporary:
        temporary.write_bytes(stream.getvalue())
    width = round(96 * figure.get_figwidth())
    return Markup(
        '<img alt="{}" style="max-width:{}px; min-width:{}px" src="data:{};base64,{}">'
    ).format(
        title,
        width,
        round(SMALLEST * width),
        kind,
        base64.b64encode(stream.getvalue()).decode(),
    )


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
