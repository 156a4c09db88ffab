"""What all photos of a folder come to: ``predictions.json`` and ``areas.csv``."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

from auxseg.runs.files import replacing

#: Of a class in a photo, in ``areas.csv``.
AREA_COLUMNS = ("image", "path", "class", "pixels", "share")


def write_tables(out: Path, entries: Iterable[Mapping[str, Any]]) -> int:
    """Writes both files from the photos' entries; returns how many there are.

    An entry is gone when it is written: memory does not grow with their number. Without a mask in
    any of them there is no ``areas.csv``.
    """
    count = 0
    with ExitStack() as files:

        def opened(name: str) -> Any:
            temporary = files.enter_context(replacing(out / name))
            return files.enter_context(temporary.open("w", encoding="utf-8", newline=""))

        predictions = opened("predictions.json")
        predictions.write("[")
        rows: Callable[[Iterable[Any]], None] | None = None
        for entry in entries:
            shown = {key: value for key, value in entry.items() if key != "coco"}
            text = json.dumps(shown, indent=2).replace("\n", "\n  ")
            predictions.write((",\n  " if count else "\n  ") + text)
            count += 1
            if entry.get("areas") is None:
                continue
            if rows is None:
                rows = csv.writer(opened("areas.csv"), lineterminator="\n").writerows
                rows([AREA_COLUMNS])
            rows(_areas(entry))
        predictions.write("\n]\n")
    return count


def _areas(entry: Mapping[str, Any]) -> Iterable[tuple[Any, ...]]:
    """A row for every class."""
    everything = entry["width"] * entry["height"]
    for name, pixels in entry["areas"].items():
        share = f"{pixels / everything:.6f}"
        yield entry["image"], entry["path"], name, pixels, share
