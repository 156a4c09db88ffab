"""The results of a benchmark as text."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from auxseg.report.tables import to_markdown

GIB = 2**30


def show(results: Mapping[str, Any]) -> str:
    """All tables of :func:`auxseg.bench.run.bench`."""
    parts = [_machine(results["machine"]), _limits(results["limits"])]
    parts += [_training(results["training"]), _prediction(results["prediction"])]
    parts.append(_loading(results["loading"]))
    if results["peers"]:
        parts.append(_peers(results["peers"]))
    return "\n\n".join(parts)


def show_memory(found: Mapping[str, Mapping[str, Mapping[str, int]]], about: str) -> str:
    """The table of :func:`auxseg.bench.run.memory`."""
    modes = list(next(iter(next(iter(found.values())).values())))
    rows = [["preset", "precision", *modes]]
    for preset, precisions in found.items():
        for precision, sizes in precisions.items():
            rows.append([preset, precision, *(f"{sizes[mode] / GIB:.2f}" for mode in modes)])
    title = f"Memory of a training step in GiB, by a dry run; columns: checkpointing ({about})"
    return f"{title}\n\n{to_markdown(rows)}"


def _machine(facts: Mapping[str, Any]) -> str:
    extras = "".join(
        f", {name.replace('_', ' ')}" for name in ("compile", "channels_last") if facts[name]
    )
    if facts["checkpointing"] != "none":
        extras += f", {facts['checkpointing']} checkpointing"
    size = facts["image_size"]
    return (
        f"{facts['device']}, {facts['threads']} threads, torch {facts['torch']}; "
        f"{size}×{size}, batch {facts['batch_size']}, width {facts['width']:g}, "
        f"{facts['precision']}{extras}\nMedians of rounds in which everything ran in turn; "
        "± is half the distance between the quartiles."
    )


def _limits(limits: Mapping[str, Any]) -> str:
    rows = [["limit of this machine", "GFLOP/s", "±"]]
    for name, row in limits.items():
        rows.append([name, f"{row['flops_per_second'] / 1e9:.0f}", _spread(row)])
    return to_markdown(rows)


def _training(found: Mapping[str, Any]) -> str:
    rows = [["training step", "images/s", "ms", "±", "of product", "of convolution", "GiB"]]
    for name, row in found.items():
        size = row.get("allocated_bytes", row["memory_bytes"]) / GIB
        rows.append([name, *_speed(row), *_shares(row), f"{size:.2f}"])
    how = "allocated" if any("allocated_bytes" in row for row in found.values()) else "dry run"
    return f"{to_markdown(rows)}\nGiB: at the peak of a step ({how})."


def _prediction(found: Mapping[str, Any]) -> str:
    rows = [["prediction", "images/s", "ms", "±", "of product", "of convolution"]]
    rows += [[name, *_speed(row), *_shares(row)] for name, row in found.items()]
    return to_markdown(rows)


def _loading(found: Mapping[str, Any]) -> str:
    rows = [["loading, one process", "images/s", "ms", "±", "of a training step"]]
    rows += [[name, *_speed(row), f"{row['of_step']:.1%}"] for name, row in found.items()]
    return to_markdown(rows)


def _peers(found: Mapping[str, Any]) -> str:
    rows = [["like for like, training step", "ours: ms", "±", "GFLOP"]]
    rows[0] += ["theirs: ms", "±", "GFLOP", "times as fast"]
    for title, pair in found.items():
        cells = [title]
        for side in ("ours", "theirs"):
            row = pair[side]
            cells += [f"{1e3 * row['seconds']:.0f}", _spread(row), f"{row['flops'] / 1e9:.0f}"]
        rows.append([*cells, f"{pair['times_as_fast']:.2f}"])
    about = "Theirs as its code is: float32, uncompiled; mtan with Adam, smp with our AdamW."
    return f"{to_markdown(rows)}\n{about}"


def _speed(row: Mapping[str, Any]) -> list[str]:
    return [f"{row['images_per_second']:.2f}", f"{1e3 * row['seconds']:.1f}", _spread(row)]


def _shares(row: Mapping[str, Any]) -> list[str]:
    return [f"{row[name]:.0%}" for name in ("of_product", "of_convolution")]


def _spread(row: Mapping[str, Any]) -> str:
    return f"{row['spread'] / 2:.0%}"
