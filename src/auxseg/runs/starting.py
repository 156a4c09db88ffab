"""The weights that a network starts from, loaded into it: published, a file's, another run's."""

from __future__ import annotations

from collections.abc import Mapping

from auxseg import assembly
from auxseg.config import Config
from auxseg.models import MultiTaskModel
from auxseg.runs.directory import RunDirectory
from auxseg.tasks import Task


def load_starting_weights(
    model: MultiTaskModel, config: Config, tasks: Mapping[str, Task], data: assembly.Data | None
) -> tuple[str, ...]:
    """Loads, in place, what ``--weights`` names; returns what to say of it.

    Args:
        data: images on which fresh batch norms are calibrated; without any they are not.

    Raises:
        UsageError, DataError: no such weights, or they do not fit.
    """
    path = assembly.starting_weights(config)
    if path is None:
        assembly.load_published(model, config)
        return ()
    if not path.is_dir():
        assembly.load_starting_weights(model, path, config, data, tasks)
        return ()
    other = RunDirectory(path)
    _, theirs = other.read_config()  # raises where it is not a run
    left_out = assembly.load_network(model, other.read_best(), path)
    said = [] if left_out is None else [left_out]
    ours = next(iter(tasks.values())).classes
    for kind, here, there in (
        ("mask", ours.mask, theirs.mask),
        ("image", ours.label, theirs.label),
    ):
        if here != there and len(here) == len(there) > 0:
            said.append(
                f"{path}: its classes of the {kind} are {', '.join(there)}, and here they are "
                f"{', '.join(here)}: each starts from the one in its place"
            )
    return tuple(said)
