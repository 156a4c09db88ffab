"""What a user need not say: the preset, and what a folder is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auxseg.config.parsing import named_preset
from auxseg.config.presets import RECOMMENDED
from auxseg.errors import UsageError


def preset_for(name: str | None, files: Sequence[str], options: Mapping[str, Any]) -> str:
    """The preset to train.

    Args:
        name: what the user named.
        files: of ``--config``; the last one that names a preset decides.
        options: those of the command line, by dotted key.

    Raises:
        UsageError: nothing tells which data to train on either.
    """
    if name is not None:
        return name
    named = [found for file in files if (found := named_preset(Path(file))) is not None]
    if named:
        return named[-1]
    if not {"data.root", "data.name"} & options.keys() and not files:
        raise UsageError(
            f"name a preset (`auxseg presets` lists them), or a folder of your own photos with "
            f"--root DIR, on which {RECOMMENDED} is trained"
        )
    return RECOMMENDED


def with_found_data(layer: Mapping[str, Any]) -> dict[str, Any]:
    """The options, with the name of the data set where only its folder was given.

    Raises:
        DataError: the folder has no known layout.
    """
    from auxseg.data.checks import detect

    root = layer.get("data.root")
    if root is None or "data.name" in layer:
        return dict(layer)
    return {**layer, "data.name": detect(Path(root).expanduser())}
