"""``auxseg export --format hub``: a folder with the network and a card that describes it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from auxseg.config import Config
from auxseg.runs.directory import RunDirectory
from auxseg.runs.files import out_folder, write_text
from auxseg.runs.hub import WEIGHTS, write_hub_folder

CARD = "README.md"
#: Columns of the card's table → the metrics' files.
_TESTED = {"test images": "test", "test images, own size": "test-native"}


def export_hub(run: RunDirectory, out: Path) -> tuple[Path, int]:
    """Writes ``config.json``, ``model.safetensors`` and the card; the folder appears whole.

    Returns:
        the folder, and the bytes of the weights.

    Raises:
        UsageError: the folder holds something else.
        DataError: no run, one without weights, or the folder cannot be written.
    """
    config, _ = run.read_config()
    with out_folder(out) as folder:
        size = _build(run, config, folder, out.resolve().name)
    return out, size


def _build(run: RunDirectory, config: Config, folder: Path, name: str) -> int:
    """Writes the files; returns the bytes of the weights."""
    content = write_hub_folder(run, folder)
    tested = {
        title: json.loads(file.read_text(encoding="utf-8"))
        for title, name in _TESTED.items()
        if (file := run.metrics_file(name)).is_file()
    }
    write_text(folder / CARD, card(config, content, run.read_counts(), tested, name))
    return (folder / WEIGHTS).stat().st_size


def card(
    config: Config,
    content: Mapping[str, Any],
    counts: Mapping[str, int],
    tested: Mapping[str, Mapping[str, Any]],
    name: str,
) -> str:
    """The model card, whose first lines hubs read.

    Args:
        content: what ``config.json`` says.
        counts: how many images there were: train, masks, val, …
        tested: title → metrics of the test images, as far as they were measured.
    """
    metrics = {key: value for key, value in content["validation"].items() if "/" in key}
    head: dict[str, Any] = {
        "library_name": "auxseg",
        "pipeline_tag": "image-segmentation",
        "tags": [config.model.architecture, config.model.encoder, *config.tasks.names],
    }
    columns = {"validation images": metrics, **tested}
    rows = [f"| metric | {' | '.join(columns)} |", f"|---|{'---:|' * len(columns)}"]
    for key, value in metrics.items():
        if isinstance(value, (int, float)):
            cells = [one.get(key) for one in columns.values()]
            told = (f"{cell:.4f}" if isinstance(cell, (int, float)) else "–" for cell in cells)
            rows.append(f"| {key} | {' | '.join(told)} |")
    licence = content["weights_licence"] or "not known"
    size = config.data.image_size
    described = [
        f"# {name}",
        f"{config.preset} of auxseg: "
        f"{config.model.architecture} over {config.model.encoder}, which learned "
        f"{', '.join(config.tasks.names)}. Photos become {size} × {size} pixels "
        f"({config.data.fit}).",
        '```python\nimport auxseg\n\nauxseg.load("FOLDER").predict("photo.jpg").show()\n```',
        "## What it finds",
        "Classes of the mask: " + (", ".join(content["classes"]["mask"]) or "none") + ".",
        *(
            ["Classes of the image: " + ", ".join(content["classes"]["label"]) + "."]
            if content["classes"]["label"]
            else []
        ),
        "## How good it is",
        "\n".join(rows),
        f"Trained on {counts.get('train', 0)} images, {counts.get('masks', 0)} of them with a "
        f"mask; the best of its epochs was chosen on {counts.get('val', 0)} validation images.",
        "## Data and licences",
        "*Say here what the photos show, where they come from, and under which licence.*",
        f"Licence of the weights that training started from: {licence}.",
        "## Intended use",
        "*Say here what it is for, and what it is not for. It was measured on photos like those "
        "that it was trained on; of others nothing is known.*",
    ]
    front = yaml.safe_dump(head, sort_keys=False, allow_unicode=True)
    return f"---\n{front}---\n" + "\n\n".join(described) + "\n"
