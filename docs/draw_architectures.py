"""Draws docs/images/architectures.svg: who shares what, in three stages and two or three tasks.

python docs/draw_architectures.py
"""

from __future__ import annotations

from pathlib import Path

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch, FancyBboxPatch

OUT = Path(__file__).parent / "images" / "architectures.svg"
SHARED, PRIMARY, OTHER, INK = "#d9dde3", "#7fb2ff", "#ffb870", "#30343b"
STAGES = 3


def box(axis: Axes, x: float, y: float, text: str, colour: str, width: float = 0.8) -> None:
    """A rounded box around (x, y)."""
    axis.add_patch(
        FancyBboxPatch(
            (x - width / 2, y - 0.2),
            width,
            0.4,
            boxstyle="round,pad=0.02,rounding_size=0.08",
            facecolor=colour,
            edgecolor=INK,
            linewidth=0.8,
        )
    )
    axis.text(x, y, text, ha="center", va="center", fontsize=7, color=INK)


def arrow(
    axis: Axes,
    start: tuple[float, float],
    end: tuple[float, float],
    *,
    dashed: bool = False,
    both: bool = False,
) -> None:
    axis.add_patch(
        FancyArrowPatch(
            start,
            end,
            arrowstyle="<|-|>" if both else "-|>",
            mutation_scale=7,
            linewidth=0.9,
            linestyle=(0, (3, 2)) if dashed else "-",
            color=INK,
            shrinkA=0,
            shrinkB=0,
        )
    )


def chain(axis: Axes, y: float, colour: str) -> None:
    """The stages of an encoder, one behind the other."""
    for number in range(STAGES):
        box(axis, 1 + 1.2 * number, y, f"stage {number + 1}", colour)
        arrow(axis, (0.25 if number == 0 else 1.2 * number + 0.22, y), (1.2 * number + 0.57, y))


def outputs(axis: Axes, y: float, colour: str, text: str, start: tuple[float, float]) -> None:
    """A decoder or head at the end of an arrow."""
    arrow(axis, start, (4.55, y))
    box(axis, 5.05, y, text, colour, width=0.95)


def hard_sharing(axis: Axes) -> None:
    chain(axis, 0.0, SHARED)
    outputs(axis, 0.6, PRIMARY, "decoder", (3.82, 0.05))
    outputs(axis, -0.6, OTHER, "head", (3.82, -0.05))


def mtan(axis: Axes) -> None:
    chain(axis, 0.0, SHARED)
    for y, colour, text in ((1.0, PRIMARY, "decoder"), (-1.0, OTHER, "head")):
        side = 0.22 if y > 0 else -0.22
        for number in range(STAGES):
            x = 1 + 1.2 * number
            box(axis, x, y, "a ⊙ p, outer", colour, width=0.95)
            arrow(axis, (x, side), (x, y - side))
            if number:
                arrow(axis, (x - 0.7, y), (x - 0.5, y))
        outputs(axis, y, colour, text, (3.9, y))


def cross_stitch(axis: Axes) -> None:
    for y, colour, text in ((0.7, PRIMARY, "decoder"), (-0.7, OTHER, "head")):
        chain(axis, y, colour)
        outputs(axis, y, colour, text, (3.82, y))
    for number in range(STAGES):
        x = 1.5 + 1.2 * number
        box(axis, x, 0, "mix", SHARED, width=0.42)
        for y in (0.7, -0.7):
            arrow(axis, (x, y * 0.97), (x, 0.22 if y > 0 else -0.22), both=True)


def progressive(axis: Axes) -> None:
    for y, colour, text in ((0.7, OTHER, "head"), (-0.7, PRIMARY, "decoder")):
        chain(axis, y, colour)
        outputs(axis, y, colour, text, (3.82, y))
    for number in range(STAGES):
        x = 1 + 1.2 * number
        arrow(axis, (x + 0.3, 0.48), (x + 0.52, -0.62), dashed=True)
        axis.text(x + 0.46, 0.05, "1×1", fontsize=6, color=INK)


DRAWINGS = {
    "hard-sharing: one encoder for all": hard_sharing,
    "mtan: each task picks its features, level by level": mtan,
    "cross-stitch: encoders that exchange features": cross_stitch,
    "progressive: later columns read earlier ones, no gradient back": progressive,
}


def main() -> None:
    mpl.rcParams |= {"svg.fonttype": "none", "svg.hashsalt": "auxseg", "font.family": "sans-serif"}
    figure = Figure(figsize=(9.4, 5.2), layout="constrained")
    for axis, (title, draw) in zip(figure.subplots(2, 2).flat, DRAWINGS.items(), strict=True):
        draw(axis)
        axis.set_title(title, fontsize=8.5, loc="left", color=INK)
        axis.set_xlim(0, 5.7)
        axis.set_ylim(-1.45, 1.45)
        axis.set_aspect("equal")
        axis.set_axis_off()
    figure.savefig(OUT, metadata={"Date": None}, facecolor="white")


if __name__ == "__main__":
    main()
