"""What several verbs print alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any


def print_metrics(metrics: dict[str, Any], run_dir: Path) -> None:
    """A run's metrics as a table, with the names of its classes."""
    from auxseg.report.tables import metrics_table
    from auxseg.runs.directory import RunDirectory

    print(metrics_table(metrics, RunDirectory(run_dir).read_config()[1].mask))


def print_classes(run_dir: Path, split: str) -> None:
    """How well each class of the masks is found, where a part has masks."""
    from auxseg.report.classes import class_rows
    from auxseg.report.tables import to_markdown
    from auxseg.runs.confusion import confusion_file, read_confusion

    found = read_confusion(confusion_file(run_dir, "segmentation", split))
    if found is not None and found.counts.any():
        print(f"\n{to_markdown(class_rows(found))}")
