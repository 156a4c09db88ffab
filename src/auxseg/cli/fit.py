"""``auxseg fit``: from a folder of photos to a network that can be shipped, in one command."""

from __future__ import annotations

import time
from collections.abc import Sequence

from auxseg.config.command_line import verb_parser
from auxseg.config.presets import RECOMMENDED


def fit(arguments: Sequence[str]) -> int:
    """from a folder of photos and masks to a measured, exported network, in the time given"""
    began = time.perf_counter()  # before imports that take seconds
    from auxseg.api import configure, fitted
    from auxseg.assembly import CHOICES
    from auxseg.config.keys import dotted, flags
    from auxseg.experiments.fit.fit import CHOSEN, MODEL, PAGES, REFUSED
    from auxseg.progress import duration

    parser = verb_parser("fit", fit, "auxseg fit photos --minutes 10 --out runs/photos")
    parser.add_argument("root", help="the folder of photos and masks")
    parser.add_argument("--out", required=True, help="the run directory, new or empty")
    parser.add_argument(
        "--minutes", type=float, default=10.0, above=0, help="for everything, from now on"
    )
    parser.add_options(
        CHOICES,
        defaults=dotted(configure(RECOMMENDED)) | dict.fromkeys(CHOSEN, "what the minutes allow"),
        # Those that a first user may want, and that fit does not settle itself.
        listed=set(flags().values()) - {"data.name", "data.root", "data.train_on", *REFUSED},
    )
    parser.epilog = "It takes the further options of `auxseg train --help`, too."
    parsed = parser.parse(arguments)
    layer = parser.layer(parsed, RECOMMENDED)
    done = fitted(parsed.root, parsed.out, parsed.minutes, layer, began)
    print()
    for line in done.lines:
        print(line)
    out = done.run_dir
    took = f"took {duration(done.seconds)}, announced {duration(done.planned)}"
    written = [path for path in (out / MODEL, out / PAGES / "report.html") if path.exists()]
    print(f"\nwritten: {', '.join(map(str, written))}; {took}")
    print(f"next: auxseg predict {out} NEW_PHOTOS --out predictions")
    return 0
