"""What a training step and a validation cost with each fit, on the photos of a folder.

    python benchmarks/fits.py --root DIR [--ignore-index 11] [--preset unet-1task] [--seconds 120]

A step is one of training: photos from the cache, crops, augmentation, targets, network, update;
in this process, without loader processes. Steps are taken in rounds, validations once.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import torch
from arguments import preset_parser

from auxseg import assembly
from auxseg.api import configure
from auxseg.bench.clock import time_in_rounds
from auxseg.bench.networks import autocast, network, step_taker
from auxseg.data.fits import FITS
from auxseg.report.tables import to_markdown
from auxseg.training.determinism import deterministic
from auxseg.types import Batch

#: That one round takes of each fit.
STEPS = 5


@deterministic()
def main() -> None:
    options = preset_parser(__doc__ or "", image_size=160, batch_size=8, seconds=120)
    options.set_defaults(preset="unet-1task")
    options.add_argument("--root", required=True, help="a folder of photos and masks")
    options.add_argument("--ignore-index", type=int)
    options.add_argument("--precision", default="32-true", help="as in training")
    given = options.parse_args()
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    systems = {fit: System(fit, vars(given), device) for fit in FITS}
    timings = time_in_rounds(
        {fit: system.steps for fit, system in systems.items()}, device, given.seconds
    )
    rows = [["fit", "ms per step", "±", "of stretch's", "seconds per validation"]]
    for fit, timing in timings.items():
        ratio = timing.seconds / timings["stretch"].seconds
        milliseconds = f"{1e3 * timing.seconds / STEPS:.0f}"
        validation = f"{systems[fit].validation():.1f}"
        rows.append([fit, milliseconds, f"{timing.spread / 2:.0%}", f"{ratio:.2f}", validation])
    print(
        f"{given.preset}, {given.image_size}×{given.image_size}, batch {given.batch_size}, "
        f"{given.precision}, {device}, {torch.get_num_threads()} threads, torch "
        f"{torch.__version__}; medians of {timings['stretch'].rounds} rounds of {STEPS} steps\n"
    )
    print(to_markdown(rows))


class System:
    """One fit's data, network and batches."""

    def __init__(self, fit: str, given: dict[str, Any], device: torch.device) -> None:
        config = configure(
            given["preset"],
            data="folder",
            root=given["root"],
            fit=fit,
            image_size=given["image_size"],
            batch_size=given["batch_size"],
            width=given["width"],
            precision=given["precision"],
            weights="none",
            **{"data.ignore_index": given["ignore_index"], "data.num_workers": 0},
        )
        dataset = assembly.open_dataset(config.data)
        self.config = assembly.resolve(config, dataset)
        self.data = assembly.open_data(self.config, dataset)
        self.tasks = dict(assembly.make_tasks(self.config, dataset.classes))
        self.device = device
        self.model = network(self.config, self.tasks, device).train()
        self._step = step_taker(self.model, self.config, self.tasks)
        self._batches = self._endless()

    def steps(self) -> None:
        for _ in range(STEPS):
            self._step(next(self._batches))

    @torch.no_grad()
    def validation(self) -> float:
        """Seconds of predicting the validation part, as a run does after an epoch: the second time.

        The first one has memory to get.
        """
        self.model.eval()
        seconds = 0.0
        for _ in range(2):
            start = time.perf_counter()
            for batch in assembly.make_eval_loader(self.config, self.data, self.tasks, "val"):
                with autocast(self.config, self.device)():
                    self.model.forward_views(batch.to(self.device).views, batch.routes)
            if self.device.type == "cuda":
                torch.cuda.synchronize()
            seconds = time.perf_counter() - start
        return seconds

    def _endless(self) -> Iterator[Batch]:
        while True:
            for batch in assembly.make_train_loader(self.config, self.data, self.tasks):
                yield batch.to(self.device)


if __name__ == "__main__":
    main()
