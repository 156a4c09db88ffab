"""``auxseg predict``: masks, overlays, classes and boxes of photos."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from auxseg.config.command_line import verb_parser
from auxseg.errors import AuxsegError, UsageError


def predict(arguments: Sequence[str]) -> int:
    """write masks, overlays, classes and boxes of photos"""
    from auxseg.predict import find_images, load, predict_files
    from auxseg.report.attention import write_attention

    parser = verb_parser(
        "predict", predict, "auxseg predict runs/photos cat.jpg more/ --out predictions"
    )
    parser.add_argument("run", help="a run directory, or a file of auxseg export (.onnx, .pt2)")
    parser.add_argument("images", nargs="+", help="image files, and folders of them")
    parser.add_argument("--out", required=True, help="the folder for masks and overlays")
    parser.add_argument("--accelerator", default="auto", help="auto, cpu, gpu or mps")
    parser.add_argument(
        "--batch-size", type=int, default=8, minimum=1, help="photos per forward pass"
    )
    parser.add_argument(
        "--attention",
        action="store_true",
        help="also write every task's attention masks, as arrays (NAME_attention.npz, float16, "
        "megabytes per photo) and as a picture (NAME_attention.png)",
    )
    parsed = parser.parse(arguments)
    paths = find_images(parsed.images)
    predictor = load(parsed.run, parsed.accelerator)
    if parsed.attention and not predictor.attentive:
        raise UsageError(
            f"--attention: {parsed.run} ({predictor.network.preset}) has no attention masks"
        )
    failures = 0
    out = Path(parsed.out)
    found = predict_files(
        predictor, paths, out, attention=parsed.attention, batch_size=parsed.batch_size
    )
    with _progress(len(paths)) as advance:
        for result in found:
            advance()
            if isinstance(result, AuxsegError):
                failures += 1
                print(f"auxseg: {result}", file=sys.stderr)
                continue
            stem, prediction = result
            if parsed.attention:
                write_attention(out / f"{stem}_attention.png", prediction)
            print(_describe(prediction))
    print(f"{len(paths) - failures} of {len(paths)} images predicted into {parsed.out}")
    return 1 if failures else 0


@contextmanager
def _progress(total: int) -> Iterator[Callable[[], None]]:
    """A bar on a terminal, below the lines that are printed; nothing where stderr is piped."""
    if not sys.stderr.isatty():
        yield lambda: None
        return
    from rich.console import Console
    from rich.progress import Progress

    # Lines for a pipe must not pass through the console of the bar.
    console, both = Console(stderr=True), sys.stdout.isatty()
    with Progress(console=console, redirect_stdout=both, transient=True) as progress:
        task = progress.add_task(f"predicting {total} images", total=total)
        yield lambda: progress.advance(task)


def _describe(prediction: Any) -> str:
    parts = [prediction.name]
    if prediction.mask is not None:
        parts.append(f"foreground {(prediction.mask > 0).mean():.1%}")
    if prediction.label is not None:
        parts.append(f"{prediction.label} ({prediction.probability:.0%})")
    if prediction.box is not None:
        parts.append("box " + " ".join(f"{value:.0f}" for value in prediction.box))
    return "  ".join(parts)
