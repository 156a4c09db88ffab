"""What each idea for a faster or smaller training step is worth, against the step as it is.

    python benchmarks/training.py [--preset mtan-3task] [--image-size 96] [--batch-size 2]

In rounds, in one process: a ratio above 1 is faster than the plain step.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from arguments import preset_parser
from torch.utils import deterministic as switches

from auxseg.api import configure
from auxseg.balancing import Balancer
from auxseg.bench import networks
from auxseg.bench.clock import time_in_rounds
from auxseg.bench.run import allocated
from auxseg.config import Config, TrainingConfig
from auxseg.models import MultiTaskModel
from auxseg.report.tables import to_markdown
from auxseg.training.determinism import deterministic
from auxseg.training.memory import training_memory
from auxseg.training.optimizer import make_optimizer


@deterministic()
def main() -> None:
    options = preset_parser(__doc__, image_size=96, batch_size=2, seconds=60)
    options.add_argument("--compile", action="store_true", help="torch.compile as well")
    given = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    plain = {
        "weights": "none",
        "image_size": given.image_size,
        "batch_size": given.batch_size,
        "width": given.width,
    }
    variants: dict[str, dict[str, Any]] = {
        "as it is": {},
        "selective checkpointing": {"training.checkpointing": "selective"},
        "full checkpointing": {"training.checkpointing": "full"},
        "channels last": {"training.channels_last": True},
    }
    if device.type == "cuda":
        variants["bf16"] = {"training.precision": "bf16-mixed"}
        variants["bf16, channels last"] = {**variants["bf16"], **variants["channels last"]}
        if given.compile:
            variants["bf16, channels last, torch.compile"] = {
                **variants["bf16, channels last"],
                "training.compile": True,
            }
    elif given.compile:
        variants["torch.compile"] = {"training.compile": True}
    configs = {name: configure(given.preset, **plain, **own) for name, own in variants.items()}
    runs = {name: networks.training_step(one, device).run for name, one in configs.items()}
    runs["new memory filled with NaN, as torch's deterministic mode does"] = _filling(
        networks.training_step(configs["as it is"], device).run
    )
    runs["AdamW an operation at a time"] = networks.training_step(
        configs["as it is"], device, _unfused
    ).run
    timings = time_in_rounds(runs, device, given.seconds)
    gpu = device.type == "cuda"
    rows = [["training step", "ms", "±", "times as fast", f"GiB ({'real' if gpu else 'dry run'})"]]
    for name, timing in timings.items():
        ratio = timings["as it is"].seconds / timing.seconds
        cells = [f"{1e3 * timing.seconds:.0f}", f"{timing.spread / 2:.0%}", f"{ratio:.2f}"]
        rows.append([name, *cells, _memory(configs.get(name), device)])
    print(
        f"{given.preset}, {given.image_size}×{given.image_size}, batch {given.batch_size}, "
        f"width {given.width:g}, {device}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}; medians of {timing.rounds} rounds\n"
    )
    print(to_markdown(rows))


def _memory(config: Config | None, device: torch.device) -> str:
    """A compiled step's is not told: it would have to be compiled once more."""
    if config is None or config.training.compile:
        return ""
    if device.type == "cuda":
        return f"{allocated(config, device) / 2**30:.2f}"
    return f"{training_memory(config, networks.CLASSES) / 2**30:.2f}"


def _filling(run: Callable[[], Any]) -> Callable[[], None]:
    """The step with new memory filled, which shows reads of unwritten memory."""

    def checked() -> None:
        switches.fill_uninitialized_memory = True  # type: ignore[attr-defined]
        run()
        switches.fill_uninitialized_memory = False  # type: ignore[attr-defined]

    return checked


def _unfused(
    model: MultiTaskModel, balancer: Balancer, config: TrainingConfig
) -> torch.optim.Optimizer:
    """The same groups of parameters, updated as torch does by default."""
    groups = make_optimizer(model, balancer, config).param_groups
    own = [{key: group[key] for key in ("params", "lr", "weight_decay")} for group in groups]
    return torch.optim.AdamW(own)


if __name__ == "__main__":
    main()
