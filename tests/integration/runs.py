"""Reads what a run directory holds, independently of the program's own reader."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import torch
import yaml
from safetensors.torch import load_file
from torch import Tensor

#: The metrics files' keys by task, as documented.
DOCUMENTED = {
    "segmentation": ("iou", "weighted_iou", "iou_per_class", "f1", "pixel_accuracy"),
    "classification": ("accuracy",),
    "bbox": ("l2", "rmse", "iou"),
    "denoising": ("psnr", "ssim"),
    "edges": ("f1",),
    "colorization": ("psnr", "ab_error"),
    "boundary": ("f1",),
    "consistency": ("agreement", "confident"),
    "distance": ("mae",),
    "rotation": ("accuracy",),
    "inpainting": ("psnr",),
}


def documented_keys(tasks: tuple[str, ...]) -> set[str]:
    """The keys that a metrics file of these tasks has to hold."""
    return {f"{task}/{metric}" for task in tasks for metric in DOCUMENTED[task]}


def history(run: Path) -> list[dict[str, str]]:
    with (run / "history.csv").open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def without_seconds(rows: list[dict[str, str]]) -> list[dict[str, str]]:
    """The rows without the one column that no two runs share."""
    return [{key: value for key, value in row.items() if key != "seconds"} for row in rows]


def metrics(run: Path, split: str) -> dict[str, Any]:
    """A metrics file, read strictly: NaN and Infinity are no JSON."""

    def refuse(constant: str) -> None:
        raise ValueError(f"metrics-{split}.json holds {constant}, which is no JSON")

    text = (run / f"metrics-{split}.json").read_text(encoding="utf-8")
    return dict(json.loads(text, parse_constant=refuse))


def config(run: Path) -> dict[str, Any]:
    return dict(yaml.safe_load((run / "config.yaml").read_text(encoding="utf-8")))


def best(run: Path) -> dict[str, Tensor]:
    return load_file(run / "checkpoints" / "best.safetensors")


def checkpoint(run: Path) -> dict[str, Any]:
    """The last checkpoint."""
    return dict(torch.load(run / "checkpoints" / "last.ckpt", weights_only=True))


def last(run: Path) -> dict[str, Tensor]:
    """The weights inside the last checkpoint."""
    return dict(checkpoint(run)["state_dict"])


def identical(a: dict[str, Tensor], b: dict[str, Tensor]) -> bool:
    """Whether two sets of weights are the same to the last bit."""
    assert a.keys() == b.keys()
    return all(torch.equal(a[name], b[name]) for name in a)


def snapshot(folder: Path) -> dict[str, tuple[bytes, int]]:
    """Every file below a folder: its bytes and the time of its last change."""
    return {
        str(path.relative_to(folder)): (path.read_bytes(), path.stat().st_mtime_ns)
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
