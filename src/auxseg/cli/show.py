"""What several verbs read and print alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from auxseg.errors import UsageError


def split_names(option: str, given: str) -> list[str]:
    """``A,B`` or ``[A, B]`` → names, each once."""
    names = [name.strip() for name in given.strip("[]").split(",")]
    if len(set(names)) < len(names):
        raise UsageError(f"{option}: {given} names one twice")
    return names


def print_metrics(metrics: dict[str, Any], run_dir: Path) -> None:
    """A run's metrics as a table, with the names of its classes."""
    from auxseg.report.tables import metrics_table
    from auxseg.runs.directory import RunDirectory

    print(metrics_table(metrics, RunDirectory(run_dir).read_config()[1].mask))
