"""What several verbs print alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def print_metrics(metrics: dict[str, Any], run_dir: Path) -> None:
    """A run's metrics as a table, with the names of its classes."""
    from auxseg.report.tables import metrics_table
    from auxseg.runs.directory import RunDirectory

    print(metrics_table(metrics, RunDirectory(run_dir).read_config()[1].mask))
