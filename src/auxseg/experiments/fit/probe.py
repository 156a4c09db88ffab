"""How long a training step takes here: a few real ones, loader and augmentation included."""

from __future__ import annotations

import tempfile
import time
from dataclasses import dataclass, replace
from pathlib import Path

from auxseg.config import Config
from auxseg.runs.directory import RunDirectory
from auxseg.training.fit import train

#: Steps of a probe: the second half is timed, when everything is warm.
STEPS = 12
#: What validating a batch costs, of a step on it: no backward pass.
VALIDATION = 1 / 3


@dataclass(frozen=True)
class Probed:
    """What a probe found.

    Attributes:
        step: seconds of a step.
        validation: seconds of measuring the validation photos once.
        start: seconds from the call to the first step: decoding, making the network.
    """

    step: float
    validation: float
    start: float


def probe(config: Config) -> Probed:
    """Trains for a few steps, into a folder that is removed.

    The decoded photos stay in the cache, for the run itself.
    """
    training = replace(
        config.training,
        steps=STEPS,
        epochs=None,
        validate_every=STEPS // 2,
        stop_after=None,
        logger=(),
        log_images=0,
        checkpoint_every=None,
    )
    began = time.perf_counter()
    with tempfile.TemporaryDirectory(prefix="auxseg-") as folder:
        run = Path(folder) / "run"
        result = train(replace(config, training=training), run, quiet=True)
        whole = time.perf_counter() - began
        rows = RunDirectory(run).read_history()
    assert result.data is not None
    seconds = [float(row["seconds"]) for row in rows]
    batches = -(-len(result.data.split.val) // config.training.batch_size)
    step = seconds[-1] / (STEPS // 2 + VALIDATION * batches)
    return Probed(step, VALIDATION * batches * step, max(0.0, whole - sum(seconds)))
