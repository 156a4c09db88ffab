"""What a training step costs with each way to fit photos, loader and augmentation included.

    python benchmarks/fits.py --data folder --root camvid --ignore-index 11 --image-size 160

In rounds, a few real steps of each in turn, so that other work on the machine touches all alike;
medians over the rounds. Steps that cost the same make runs of equal steps runs of equal seconds.
"""

from __future__ import annotations

import argparse
from statistics import median

from auxseg.api import configure
from auxseg.data.fits import FITS
from auxseg.experiments.fit.probe import probe
from auxseg.report.tables import to_markdown


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--preset", default="unet-1task")
    parser.add_argument("--data", required=True)
    parser.add_argument("--root")
    parser.add_argument("--ignore-index", type=int)
    parser.add_argument("--image-size", type=int, default=160)
    parser.add_argument("--weights", default="none")
    parser.add_argument("--rounds", type=int, default=7)
    given = parser.parse_args()
    configs = {
        fit: configure(
            given.preset,
            data=given.data,
            root=given.root,
            ignore_index=given.ignore_index,
            image_size=given.image_size,
            weights=given.weights,
            fit=fit,
            **{"data.num_workers": 0},
        )
        for fit in FITS
    }
    for config in configs.values():
        probe(config)  # decodes the photos
    seconds: dict[str, list[float]] = {fit: [] for fit in configs}
    for _ in range(given.rounds):
        for fit, config in configs.items():
            seconds[fit].append(probe(config).step)
    first = seconds[next(iter(seconds))]
    rows = [["fit", "seconds a step", "of the first"]]
    for fit, found in seconds.items():
        ratio = median(one / other for one, other in zip(found, first, strict=True))
        rows.append([fit, f"{median(found):.3f}", f"{ratio:.2f}"])
    print(to_markdown(rows))


if __name__ == "__main__":
    main()
