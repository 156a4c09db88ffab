"""``auxseg predict``: masks, overlays, classes and boxes of photos."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from auxseg.cli.averaging import add_averaging
from auxseg.config.command_line import verb_parser
from auxseg.errors import AuxsegError, UsageError
from auxseg.progress import progress

if TYPE_CHECKING:  # torch is imported only once something is to be predicted
    from auxseg.predict import Wanted


def predict(arguments: Sequence[str]) -> int:
    """write masks, overlays, classes and boxes of photos"""
    from auxseg.predict import find_images, load, predict_files
    from auxseg.report.attention import write_attention

    parser = verb_parser(
        "predict", predict, "auxseg predict runs/photos cat.jpg more/ --out predictions"
    )
    parser.add_argument("run", help="a run directory, or a file of auxseg export (.onnx, .pt2)")
    parser.add_argument(
        "images",
        nargs="+",
        help="image files, folders of them, and lists (.txt, one image per line)",
    )
    parser.add_argument("--out", required=True, help="the folder for masks and overlays")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--batch-size", type=int, default=8, minimum=1, help="photos per forward pass"
    )
    parser.add_argument(
        "--attention",
        action="store_true",
        unless=("--with", "--tta"),
        help="also write every task's attention masks, as arrays (NAME_attention.npz, float16, "
        "megabytes per photo) and as a picture (NAME_attention.png)",
    )
    add_averaging(parser, "runs or files")
    parser.add_argument(
        "--probabilities",
        help="also write the probability of every class at every pixel: png (a file of 16 bits per "
        "class, NAME_probability_K.png), npz (one file, NAME_probabilities.npz)",
    )
    parser.add_argument(
        "--polygons",
        help="also write masks as polygons: coco (coco.json, of all photos), labelme (NAME.json)",
    )
    parser.add_argument(
        "--shards", type=int, default=1, minimum=1, help="into how many parts to cut the photos"
    )
    parser.add_argument(
        "--shard",
        type=int,
        default=0,
        minimum=0,
        needs="--shards",
        unless=("--cluster",),
        help="the part to predict, from 0; each process takes another one, into the same --out",
    )
    parser.add_argument(
        "--cluster",
        needs="--shards",
        help="predict all shards as jobs of a cluster, by submitit: slurm, local; --out must be "
        "shared",
    )
    parser.add_argument(
        "--cluster-options",
        type=dict[str, Any],
        default={},
        needs="--cluster",
        help="submitit's parameters, such as {slurm_partition: gpu, timeout_min: 600}",
    )
    parsed = parser.parse(arguments)
    if parsed.shard >= parsed.shards:
        raise UsageError(
            f"--shard: {parsed.shard} is none of the {parsed.shards} parts, which count from 0"
        )
    paths = find_images(parsed.images, tell=lambda line: print(f"note: {line}", file=sys.stderr))
    predictor = load(parsed.run, parsed.accelerator, others=parsed.others, tta=parsed.tta)
    if parsed.attention and not predictor.attentive:
        why = "has no attention masks"
        if not predictor.fit.WHOLE:
            why = "sees photos in tiles, and attention masks are of one tile only"
        raise UsageError(f"--attention: {parsed.run} ({predictor.network.preset}) {why}")
    wanted = _wanted(parsed, "segmentation" in predictor.tasks)
    failures, done = 0, 0
    out = Path(parsed.out)
    if parsed.cluster is not None:
        return _on_cluster(parsed, out, wanted)
    shard = (parsed.shard, parsed.shards)
    total = len(paths[parsed.shard :: parsed.shards])
    found = predict_files(
        predictor,
        paths,
        out,
        wanted=wanted,
        batch_size=parsed.batch_size,
        shard=shard,
    )
    with progress("predicting", total) as advance:
        for result in found:
            advance()
            if isinstance(result, AuxsegError):
                failures += 1
                print(f"auxseg: {result}", file=sys.stderr)
                continue
            done += 1
            stem, prediction = result
            if parsed.attention:
                write_attention(out / f"{stem}_attention.png", prediction)
            print(_describe(prediction))
    before = total - failures - done
    already = f" ({before} of them before)" if before else ""
    print(f"{total - failures} of {total} images predicted into {parsed.out}{already}")
    return 1 if failures else 0


def _wanted(parsed: argparse.Namespace, masks: bool) -> Wanted:
    """What is to be written of each photo.

    Args:
        masks: whether there are masks to write it of.
    """
    from auxseg.predict import Wanted
    from auxseg.predict.outputs import polygons, probabilities

    formats = {"probabilities": probabilities.FORMATS, "polygons": polygons.FORMATS}
    for name, allowed in formats.items():
        given = getattr(parsed, name)
        if given is not None and given not in allowed:
            raise UsageError(f"--{name}: {given!r} is not one of {', '.join(allowed)}")
        if given is not None and not masks:
            raise UsageError(f"--{name}: {parsed.run} has no segmentation")
    return Wanted(parsed.attention, parsed.probabilities, parsed.polygons)


def _on_cluster(parsed: argparse.Namespace, out: Path, wanted: Wanted) -> int:
    """Predicts all shards as jobs of a cluster."""
    from auxseg.experiments.launchers import Cluster
    from auxseg.experiments.shards import Shard, predict_on

    launch = Cluster(parsed.cluster, out / "cluster", parsed.cluster_options)
    shard = Shard(
        run=str(Path(parsed.run).absolute()),
        others=tuple(str(Path(other).absolute()) for other in parsed.others),
        tta=parsed.tta,
        images=tuple(str(Path(image).absolute()) for image in parsed.images),
        out=out.absolute(),
        number=0,
        count=parsed.shards,
        accelerator=parsed.accelerator,
        batch_size=parsed.batch_size,
        wanted=wanted,
    )
    return 1 if predict_on(launch, shard) else 0


def _describe(prediction: Any) -> str:
    parts = [prediction.name]
    if prediction.mask is not None:
        total = prediction.mask.size
        found = [
            f"{name} {pixels / total:.1%}"
            for name, pixels in list(prediction.areas.items())[1:]
            if pixels
        ]
        parts.append(", ".join(found) or "nothing found")
    if prediction.label is not None:
        parts.append(f"{prediction.label} ({prediction.probability:.0%})")
    if prediction.box is not None:
        parts.append("box " + " ".join(f"{value:.0f}" for value in prediction.box))
    return "  ".join(parts)
