"""``auxseg evaluate``: a run's metrics on a part of its data."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path

from auxseg.cli.averaging import add_averaging
from auxseg.cli.show import print_classes, print_metrics
from auxseg.config.command_line import verb_parser


def evaluate(arguments: Sequence[str]) -> int:
    """measure a run on a part of its data; metrics, classes and confusion are kept in the run"""
    from auxseg.runs.averaging import parse_looks
    from auxseg.runs.measure import NEW, SPLITS, default_split, measured_name
    from auxseg.runs.measure import evaluate as measure

    parser = verb_parser("evaluate", evaluate, "auxseg evaluate runs/photos --split test")
    parser.add_argument("run", help="a run directory")
    parser.add_argument(
        "--split",
        help=f"the part: {', '.join(SPLITS)}; new are the labelled images that the run was started "
        "without; by default test, and new where --root holds no image of the run",
    )
    parser.add_argument(
        "--root",
        help="where the data lie now, if moved; or a folder of new labelled images, in the same "
        "layout: it may lack columns or classes that the run's data had",
    )
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--num-workers",
        "--data.num_workers",
        type=int,
        minimum=0,
        help="loader processes; by default as many as in training",
    )
    add_averaging(parser, "runs")
    parser.add_argument(
        "--native",
        action="store_true",
        help="measure segmentation at the photos' own size, with the masks as they are in files",
    )
    parsed = parser.parse(arguments)
    looks = parse_looks(parsed.tta)
    split = parsed.split or default_split(parsed.run, parsed.root)
    metrics = measure(
        parsed.run,
        split,
        root=parsed.root,
        accelerator=parsed.accelerator,
        num_workers=parsed.num_workers,
        others=parsed.others,
        looks=looks,
        native=parsed.native,
    )
    name = measured_name(split, parsed.others, looks, parsed.native)
    # The table of the classes that follows has the others.
    whole = {key: value for key, value in metrics.items() if not key.endswith("_per_class")}
    print_metrics(whole, Path(parsed.run))
    print_classes(Path(parsed.run), name)
    report = Path(parsed.run) / "report"
    moved = ["--root", parsed.root] if parsed.root and split != NEW else []
    words = [parsed.run, *moved, "--out", str(report)]
    print(f"\nnext: auxseg report {shlex.join(words)}")
    return 0
