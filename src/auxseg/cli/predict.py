"""``auxseg predict``: masks, overlays, classes and boxes of photos."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from auxseg.errors import AuxsegError, UsageError
from auxseg.options import verb_parser


def predict(arguments: Sequence[str]) -> int:
    """write masks, overlays, classes and boxes of photos"""
    from auxseg.predict import find_images, load, predict_files
    from auxseg.report.attention import write_attention

    parser = verb_parser(
        "predict", predict, "auxseg predict runs/photos cat.jpg more/ --out predictions"
    )
    parser.add_argument("run", type=str, help="a run directory")
    parser.add_argument("images", type=str, nargs="+", help="image files, and folders of them")
    parser.add_argument("--out", type=str, required=True, help="the folder for masks and overlays")
    parser.add_argument("--accelerator", type=str, default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--attention",
        action="store_true",
        help="also write every task's attention masks, as arrays (NAME_attention.npz, float16, "
        "megabytes a photo) and as a picture (NAME_attention.png)",
    )
    parsed = parser.parse(arguments)
    paths = find_images(parsed.images)
    predictor = load(parsed.run, parsed.accelerator)
    if parsed.attention and not predictor.attentive:
        raise UsageError(f"--attention: {predictor.config.preset} has no attention masks")
    failures = 0
    out = Path(parsed.out)
    for found in predict_files(predictor, paths, out, attention=parsed.attention):
        if isinstance(found, AuxsegError):
            failures += 1
            print(f"auxseg: {found}", file=sys.stderr)
            continue
        stem, prediction = found
        if parsed.attention:
            write_attention(out / f"{stem}_attention.png", prediction)
        print(_describe(prediction))
    print(f"{len(paths) - failures} of {len(paths)} images predicted into {parsed.out}")
    return 1 if failures else 0


def _describe(prediction: Any) -> str:
    parts = [prediction.name]
    if prediction.mask is not None:
        parts.append(f"foreground {(prediction.mask > 0).mean():.1%}")
    if prediction.label is not None:
        parts.append(f"{prediction.label} ({prediction.probability:.0%})")
    if prediction.box is not None:
        parts.append("box " + " ".join(f"{value:.0f}" for value in prediction.box))
    return "  ".join(parts)
