"""``auxseg bench``: how fast this machine trains, predicts and loads, and what memory it takes."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from typing import Any

from auxseg.config.parsing import verb_parser
from auxseg.errors import UsageError

#: One network of each kind: alone, hard sharing, attention, a fourth task.
DEFAULT = "segnet-1task,segnet-3task,mtan-3task,mtan-canny"
#: Image size and batch size on a GPU and for memory: the paper's batch.
LARGE = (256, 5)
#: Those on a CPU, where the whole has to end within two minutes on two cores.
SMALL = (96, 2)


def bench(arguments: Sequence[str]) -> int:
    """measure training, prediction and loading on this machine, or its need of memory"""
    from auxseg.bench.peers import parse_peers
    from auxseg.bench.run import Plan, memory
    from auxseg.bench.run import bench as measure
    from auxseg.bench.text import show, show_memory
    from auxseg.devices import pick_device

    parser = verb_parser("bench", bench, "auxseg bench --presets mtan-3task --image-size 128")
    parser.add_argument("--presets", type=str, default=DEFAULT, help="the systems, by comma")
    parser.add_argument("--image-size", type=int | None, default=None, help="96; 256 on a GPU")
    parser.add_argument("--batch-size", type=int | None, default=None, help="2; 5 on a GPU")
    parser.add_argument("--width", type=float, default=1.0, help="scales every channel count")
    parser.add_argument("--precision", type=str, default="32-true", help="as in training")
    parser.add_argument("--checkpointing", type=str, default="none", help="as in training")
    parser.add_argument("--compile", action="store_true", help="torch.compile the networks")
    parser.add_argument("--channels-last", action="store_true", help="NHWC in memory")
    parser.add_argument("--accelerator", type=str, default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--seconds", type=float, default=45.0, help="for the rounds; three are made at least"
    )
    parser.add_argument(
        "--peer",
        action="append",
        type=str,
        default=[],
        help="smp: also measure the U-Net of segmentation_models.pytorch over the same encoder; "
        "mtan=PATH: the networks of a checkout of github.com/lorenmt/mtan",
    )
    parser.add_argument(
        "--memory",
        action="store_true",
        help="only estimate the memory of training, by a dry run without a GPU, in seconds per "
        "preset, with every precision and checkpointing (256×256, batch 5)",
    )
    parser.add_argument("--json", action="store_true", help="print JSON and nothing else")
    parsed = parser.parse(arguments)
    peers = parse_peers(parsed.peer)
    if not 0 < parsed.seconds < math.inf:
        raise UsageError(f"--seconds: {parsed.seconds:g} is not a number above 0")
    if parsed.memory:
        _check_memory(parsed)
    device = pick_device(parsed.accelerator)
    large = parsed.memory or device.type != "cpu"
    configs = _configs(parsed, *(LARGE if large else SMALL))
    if parsed.memory:
        found: Any = memory(configs)
        first = next(iter(configs.values()))
        size, count = first.data.image_size, first.training.batch_size
        text = show_memory(found, f"{size}×{size}, batch {count}")
    else:
        found = measure(Plan(configs, device, parsed.seconds, peers))
        text = show(found)
    print(json.dumps(found, indent=2) if parsed.json else text)
    return 0


def _check_memory(parsed: Any) -> None:
    """Raises :class:`UsageError` for options that a dry run would not heed."""
    given = {
        "--precision": parsed.precision != "32-true",
        "--checkpointing": parsed.checkpointing != "none",
        "--compile": parsed.compile,
        "--channels-last": parsed.channels_last,
        "--peer": bool(parsed.peer),
    }
    for option in (option for option, is_given in given.items() if is_given):
        raise UsageError(
            f"{option}: not with --memory, which tells every precision and checkpointing and takes "
            "--presets, --image-size, --batch-size, --width"
        )


def _configs(parsed: Any, image_size: int, batch_size: int) -> dict[str, Any]:
    """Preset → configuration, checked as a training's would be."""
    from auxseg.api import configure

    names = [name for name in parsed.presets.split(",") if name]
    if not names:
        raise UsageError("--presets: is empty; name one at least")
    return {
        name: configure(
            name,
            weights="none",
            width=parsed.width,
            image_size=image_size if parsed.image_size is None else parsed.image_size,
            batch_size=batch_size if parsed.batch_size is None else parsed.batch_size,
            **{
                "training.precision": parsed.precision,
                "training.checkpointing": parsed.checkpointing,
                "training.compile": parsed.compile,
                "training.channels_last": parsed.channels_last,
            },
        )
        for name in names
    }
