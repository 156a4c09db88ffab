"""One self-contained HTML page from its sections.

Nothing in it is fetched: pictures are part of the file, and there is no script.
"""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import date
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from jinja2 import Environment, StrictUndefined
from markupsafe import Markup
from matplotlib.figure import Figure

from auxseg.report.tables import Best
from auxseg.runs.files import replacing, write_text

#: Dots per inch of pictures; curves are drawn as vectors.
DPI = 110
#: Figures shrink with the page to this part of their size; below it they are scrolled.
SMALLEST = 0.6


@dataclass(frozen=True)
class Section:
    """One part of the page.

    Attributes:
        title: its heading; what stands before a colon is its name in the navigation.
        text: paragraphs below it.
        figures: name → figure.
        tables: rows of cells, the first the header.
        code: summary → text that is shown as it is when unfolded.
    """

    title: str
    text: Sequence[str] = ()
    figures: dict[str, Figure] = field(default_factory=dict)
    tables: Sequence[list[list[str]]] = ()
    code: dict[str, str] = field(default_factory=dict)


def write_page(
    path: Path, title: str, sections: Sequence[Section], *, figures: bool = True
) -> None:
    """Writes the page.

    Args:
        figures: whether to write its figures once more, into the folder ``figures`` beside it.
    """
    folder = path.parent / "figures" if figures else None
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True)
    environment.tests["best"] = lambda cell: isinstance(cell, Best)
    environment.globals["picture"] = lambda name, figure, title: _embed(
        name, figure, f"{title} ({name})", folder
    )
    template = files("auxseg.report").joinpath("template.html").read_text(encoding="utf-8")
    made = f"auxseg {version('auxseg')}, {date.today().isoformat()}"
    write_text(
        path,
        environment.from_string(template).render(title=title, sections=sections, made=made),
    )


def _embed(name: str, figure: Figure, title: str, folder: Path | None) -> Markup:
    """A figure as an element of the page; written into the folder, too, where there is one."""
    vector = not any(axis.images for axis in figure.axes)
    ending, kind = ("svg", "image/svg+xml") if vector else ("png", "image/png")
    stream = io.BytesIO()
    figure.savefig(stream, format=ending, dpi=DPI)
    if folder is not None:
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
