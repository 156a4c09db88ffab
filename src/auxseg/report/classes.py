"""Class by class: how well it is found, how much of it there is, and what it is taken for."""

from __future__ import annotations

import numpy as np
from matplotlib.figure import Figure

from auxseg.report.tables import MISSING, format_value
from auxseg.runs.confusion import Confusion

#: Inches of a cell, and up to how many classes the shares are written into the cells.
CELL, MOST_WRITTEN = 0.42, 16


def class_rows(confusion: Confusion) -> list[list[str]]:
    """A row per class: IoU, recall, its share of all that was counted, and its worst mistake.

    IoU_i = n_ii / (Σ_j n_ij + Σ_j n_ji − n_ii), recall_i = n_ii / Σ_j n_ij, of the counts n.
    """
    counts, support = confusion.counts, confusion.support
    hits, total = np.diag(counts), max(1, int(support.sum()))
    union = support + counts.sum(axis=0) - hits
    rows = [["class", "IoU", "found", "share of all", "most often taken for"]]
    for number, name in enumerate(confusion.classes):
        mistake = confusion.mistaken(number)
        rows.append(
            [
                name,
                format_value(hits[number] / union[number]) if union[number] else MISSING,
                f"{hits[number] / support[number]:.1%}" if support[number] else MISSING,
                f"{support[number] / total:.2%}",
                MISSING if mistake is None else f"{mistake[0]} ({mistake[1]:.1%})",
            ]
        )
    return rows


def confusion_figure(confusion: Confusion) -> Figure:
    """The matrix: a row per true class, as shares of it; darker where it is more."""
    names, shares = confusion.classes, confusion.shares
    side = 1.6 + CELL * len(names)
    figure = Figure(figsize=(side + 0.6, side), layout="constrained")
    axis = figure.subplots()
    axis.imshow(np.nan_to_num(shares), cmap="Blues", vmin=0, vmax=1)
    places = range(len(names))
    axis.set_xticks(places, names, rotation=90, fontsize=8)
    axis.set_yticks(places, names, fontsize=8)
    axis.set_xlabel("predicted")
    axis.set_ylabel("true")
    for row, column in np.argwhere(shares >= 0.005) if len(names) <= MOST_WRITTEN else ():
        value = shares[row, column]
        colour = "white" if value > 0.5 else "black"
        axis.text(column, row, f"{100 * value:.0f}", ha="center", va="center", color=colour)
    return figure
