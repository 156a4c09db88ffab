"""Reads what a run noted of single steps and images, independently of the program's own reader."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np


def steps(run: Path) -> list[dict[str, str]]:
    with (run / "steps.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def validation(run: Path) -> dict[str, np.ndarray]:
    """``epochs`` (E,), ``images`` (n,) and ``counts`` (E, n, 2K): intersection, union, …"""
    with np.load(run / "validation.npz") as arrays:
        return {name: arrays[name] for name in arrays.files}


def mean_iou(counts: np.ndarray) -> np.ndarray:
    """(E, 4): intersection and union of either class, summed over images → (E,)."""
    background, animal = counts[:, 0] / counts[:, 1], counts[:, 2] / counts[:, 3]
    return np.asarray((background + animal) / 2)
