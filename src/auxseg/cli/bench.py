"""``auxseg bench``: how fast this machine trains, predicts and loads, and what memory it takes."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

from auxseg.config.command_line import verb_parser

#: One network of each kind: alone, hard sharing, attention, a fourth task.
DEFAULT = ("segnet-1task", "segnet-3task", "mtan-3task", "mtan-canny")
#: Image size and batch size on a GPU and for memory: the paper's batch.
LARGE = (256, 5)
#: Those on a CPU, where the whole has to end within two minutes on two cores.
SMALL = (96, 2)
#: What a dry run has no use for: it says every precision and checkpointing by itself.
MEMORY = ("--memory",)


def bench(arguments: Sequence[str]) -> int:
    """measure training, prediction and loading on this machine, or its need of memory"""
    from auxseg.bench.peers import parse_peers
    from auxseg.bench.run import Plan, memory
    from auxseg.bench.run import bench as measure
    from auxseg.bench.text import show, show_memory
    from auxseg.devices import pick_device

    parser = verb_parser("bench", bench, "auxseg bench --presets mtan-3task --image-size 128")
    add = parser.add_argument
    add("--presets", type=tuple[str, ...], default=DEFAULT, help="the systems, comma-separated")
    add("--image-size", type=int | None, help="96; 256 on a GPU and with --memory")
    add("--batch-size", type=int | None, help="2; 5 on a GPU and with --memory")
    add("--width", type=float, default=1.0, help="scales every channel count")
    add(
        "--memory",
        action="store_true",
        help="only estimate the memory of training, by a dry run without a GPU, in seconds per "
        "preset, with every precision and checkpointing (256×256, batch 5)",
    )
    add("--precision", default="32-true", unless=MEMORY, help="as in training")
    add("--checkpointing", default="none", unless=MEMORY, help="as in training")
    add("--compile", action="store_true", unless=MEMORY, help="torch.compile the networks")
    add("--channels-last", action="store_true", unless=MEMORY, help="NHWC in memory")
    add("--accelerator", default="auto", unless=MEMORY, help="auto, cpu, gpu or mps")
    add(
        "--seconds",
        type=float,
        default=45.0,
        above=0,
        unless=MEMORY,
        help="for the rounds; at least three are made",
    )
    add(
        "--peer",
        action="append",
        default=[],
        unless=MEMORY,
        help="smp: also measure the U-Net of segmentation_models.pytorch over the same encoder; "
        "mtan=PATH: the networks of a checkout of github.com/lorenmt/mtan",
    )
    add("--json", action="store_true", help="print JSON and nothing else")
    parsed = parser.parse(arguments)
    peers = parse_peers(parsed.peer)
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


def _configs(parsed: Any, image_size: int, batch_size: int) -> dict[str, Any]:
    """Preset → configuration, checked as a training's would be."""
    from auxseg.api import configure

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
        for name in parsed.presets
    }
