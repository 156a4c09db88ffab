"""Which options decide a run's result, and which may be others when it goes on."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from auxseg.config import Config, plain

#: Options that change where and how fast a run computes, not what: they may differ on resume.
MAY_DIFFER = frozenset(
    {
        *("training.accelerator", "training.checkpointing", "training.compile"),
        *("training.checkpoint_every", "training.logger", "training.log_images"),
        *("data.num_workers", "data.root", "data.cache", "data.cache_dir", "data.cache_limit"),
    }
)
#: Options that may grow on resume, where the caller allows it.
MAY_GROW = ("training.epochs", "training.steps", "training.stop_after")


def longer(before: Config, now: Config) -> bool:
    """Whether a run is to go on for more epochs, or steps, than it was started for."""
    a, b = before.training, now.training
    return (
        a.validate_every == b.validate_every
        and b.last_epoch > a.last_epoch
        and b.all_epochs >= a.all_epochs
    )


def settings(config: Config) -> dict[str, Any]:
    """All that decides a run's result, by dotted key; of a folder that may move its last name."""
    values = {key: value for key, value in flat(plain(config)).items() if key not in MAY_DIFFER}
    if config.data.unlabelled is not None:
        values["data.unlabelled"] = Path(config.data.unlabelled).absolute().name
    return values


def flat(values: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested values → dotted key → value."""
    dotted: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, Mapping):
            dotted |= flat(value, f"{prefix}{name}.")
        else:
            dotted[f"{prefix}{name}"] = value
    return dotted
