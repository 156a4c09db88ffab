"""How fast images come: the decoded cache, the loader, and how long a training step waits.

    python benchmarks/loading.py --data oxford-pet --root DIR

One process, one thread, no loader processes unless said. What is compared is measured in turn, and
the median of the repeats is printed, so that other work on the machine touches all alike.
"""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from statistics import median
from typing import Any

import cv2
import numpy as np
import torch
from torch.utils.data import DataLoader
from usual_pipeline import UsualPipeline
from waiting import real_step, simulated_step, waited

import auxseg.api
from auxseg import assembly
from auxseg.config import Config
from auxseg.data.keys import Key
from auxseg.data.loaders import EpochSampler
from auxseg.errors import AuxsegError
from auxseg.report.tables import to_markdown
from auxseg.tasks import Task
from auxseg.types import LabelledImages

MEASUREMENTS = ("reading", "work", "parts", "waiting")

#: The cache is read this often in one measurement: once takes a hundredth of a second.
PASSES = 10

#: What is measured once returns how many images it went through.
Work = Callable[[], int]


def main() -> None:
    options = _parse()
    torch.set_num_threads(1)
    cv2.setNumThreads(1)
    try:
        systems = [System(preset, options) for preset in options.presets]
        first = systems[0]
        size = first.config.data.image_size
        print(f"{size}×{size}, batch {options.batch_size}, median of {options.repeats}")
        if "reading" in options.measure:
            _section("Reading", reading(first, options.repeats))
        for system in systems if "work" in options.measure else ():
            _section(f"Equal work: `{system.preset}`", equal_work(system, options.repeats))
        for system in systems if "parts" in options.measure else ():
            _section(f"Where the loader's time goes: `{system.preset}`", parts(system, options))
        if "waiting" in options.measure:
            _section(*waiting(systems, options))
    except AuxsegError as error:
        print(f"loading.py: {error}", file=sys.stderr)
        sys.exit(error.exit_status)


def _parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--data", choices=["oxford-pet"], default="oxford-pet")
    add("--root", required=True, help="the data set's folder, official layout")
    add("--split", default="stratified")
    add("--image-size", type=_positive, default=256)
    add("--batch-size", type=_positive, default=5)
    add("--presets", nargs="+", default=["mtan-3task", "mtan-all"], metavar="PRESET")
    add("--measure", nargs="+", choices=MEASUREMENTS, default=MEASUREMENTS)
    add("--repeats", type=_positive, default=7)
    add("--workers", type=_count, nargs="+", default=[0, 2], help="loader processes")
    add("--step-ms", type=_positive, nargs="+", default=[20, 50, 100], metavar="MS",
        help="how long a simulated step takes")  # fmt: skip
    add("--device", choices=["cuda", "cpu", "none"],
        default="cuda" if torch.cuda.is_available() else "none",
        help="takes real training steps; none, the default without a GPU, simulates")  # fmt: skip
    add("--width", type=float, default=1.0, help="the network's, for real steps")
    return parser.parse_args()


def _count(text: str, least: int = 0) -> int:
    if not text.isdecimal() or int(text) < least:
        raise argparse.ArgumentTypeError(f"{text} is not a whole number, {least} or more")
    return int(text)


def _positive(text: str) -> int:
    return _count(text, least=1)


class System:
    """A preset on the data set: configuration, decoded data, tasks and one epoch's batches."""

    def __init__(self, preset: str, options: argparse.Namespace) -> None:
        self.preset = preset
        self.config = self._configure(preset, options)
        dataset = assembly.open_dataset(self.config.data)
        self.config = assembly.resolve(self.config, dataset)
        self.tasks: dict[str, Task] = dict(assembly.make_tasks(self.config, dataset.classes))
        self.data = assembly.open_data(self.config, dataset)
        self.views = assembly.make_views(self.config, self.tasks)
        self.augment = assembly.make_augment(self.config.augmentation)
        self.seed = self.config.training.seed
        sampler = EpochSampler(self.data.split.train, shuffle=True, seed=self.seed)
        self.batches = in_batches(list(sampler), options.batch_size)

    @staticmethod
    def _configure(preset: str, options: argparse.Namespace) -> Config:
        settings: dict[str, Any] = {
            "data": options.data,
            "root": options.root,
            "data.split": options.split,
            "image_size": options.image_size,
            "batch_size": options.batch_size,
            "data.num_workers": 0,
            "weights": "none",
            "width": options.width,
            "accelerator": "cpu" if options.device in ("none", "cpu") else "gpu",
        }
        return auxseg.api.configure(preset, **settings)

    def usual(self) -> DataLoader[Any]:
        """The usual pipeline's batches of the same images, options and draws."""
        size = self.config.data.image_size
        assert size is not None
        pipeline = UsualPipeline(self.data, size, self.tasks, self.views, self.augment, self.seed)
        return DataLoader(pipeline, batch_sampler=self.batches, collate_fn=pipeline.collate)


def in_batches(keys: Sequence[Key], size: int) -> list[list[Key]]:
    """Whole batches; a smaller last one is left out, as in training."""
    return [list(keys[start : start + size]) for start in range(0, len(keys) - size + 1, size)]


# -- the four measurements ------------------------------------------------------------------------


def reading(system: System, repeats: int) -> list[list[str]]:
    """JPEG and mask decoded anew against the cache, every image in random order."""
    data, reader = system.data, system.data.reader
    size = system.config.data.image_size
    assert size is not None
    readable = np.flatnonzero(data.arrays.readable)
    order = np.random.default_rng(0).permutation(readable).tolist()
    keys = in_batches([Key(0, index) for index in order], system.config.training.batch_size)

    def decode() -> int:
        for index in order:
            data.dataset.read(index, size)
        return len(order)

    def gather() -> int:
        for _ in range(PASSES):
            for batch in keys:
                rows = np.array([key.index for key in batch])
                _ = data.arrays.images[rows], data.arrays.masks[rows]
        return PASSES * sum(map(len, keys))

    def read() -> int:
        for _ in range(PASSES):
            for batch in keys:
                reader.__getitems__(batch)
        return PASSES * sum(map(len, keys))

    return _against_first(
        {
            "decode photo and mask each time": decode,
            "cache: photo and mask, uint8": gather,
            "cache: whole batch with its labels, float32": read,
        },
        repeats,
    )


def equal_work(system: System, repeats: int) -> list[list[str]]:
    """The usual per-image pipeline against auxseg's loader: augmentation, views, targets."""
    loader = assembly.make_train_loader(system.config, system.data, system.tasks)
    ours, usual = (lambda: _images(loader)), system.usual()
    return _against_first(
        {"usual pipeline: Pillow, NumPy": lambda: _images(usual), "auxseg's loader": ours}, repeats
    )


def _images(loader: Iterable[Any]) -> int:
    return sum(len(batch.index) for batch in loader)


def parts(system: System, options: argparse.Namespace) -> list[list[str]]:
    """Milliseconds per image of each part, in the order of the loader."""
    stages = [stage for _ in range(options.repeats) for stage in _epoch_parts(system)]
    names = list(dict.fromkeys(name for name, _ in stages))
    found = {name: median(value for key, value in stages if key == name) for name in names}
    total = sum(found.values())
    rows = [["part", "ms per image", "share"]]
    rows += [[name, f"{ms:.2f}", f"{ms / total:.0%}"] for name, ms in found.items()]
    return [*rows, ["all", f"{total:.2f}", "100%"]]


def _epoch_parts(system: System) -> Iterable[tuple[str, float]]:
    """Part and its milliseconds per image, batch by batch."""
    reader = system.data.reader
    for batch in system.batches:
        watch = Watch(len(batch))
        images: LabelledImages = watch("read the cache", reader.__getitems__, batch)
        images = watch("augment", system.augment, images, system.seed)
        for name, task in system.tasks.items():
            watch(f"{name}: view and target", task.example, images, system.seed)
        yield from watch.found


class Watch:
    """Times calls for a batch of some images."""

    def __init__(self, images: int) -> None:
        self.images, self.found = images, list[tuple[str, float]]()

    def __call__(self, name: str, call: Callable[..., Any], *arguments: Any) -> Any:
        start = time.perf_counter()
        result = call(*arguments)
        self.found.append((name, 1000 * (time.perf_counter() - start) / self.images))
        return result


def waiting(systems: Sequence[System], options: argparse.Namespace) -> tuple[str, list[list[str]]]:
    """The share of the training step that it waits for its batch."""
    rows = [["system", "step", *(f"waits, {count} loader processes" for count in options.workers)]]
    for system in systems:
        steps = (
            [simulated_step(ms) for ms in options.step_ms]
            if options.device == "none"
            else [real_step(system.config, system.tasks, options.device)]
        )
        for step in steps:
            found = [_waited(system, count, step, options.repeats) for count in options.workers]
            milliseconds = 1000 * median(seconds for _, seconds in found)
            shares = [f"{share:.1%}" for share, _ in found]
            rows.append([f"`{system.preset}`", f"{milliseconds:.0f} ms", *shares])
    kind = "simulated steps that sleep" if options.device == "none" else options.device
    return f"Waiting for the batch ({kind})", rows


def _waited(system: System, workers: int, step: Any, repeats: int) -> tuple[float, float]:
    measure = waited(system.config, system.data, system.tasks, workers, step)
    shares, seconds = zip(*(measure() for _ in range(repeats)), strict=True)
    return median(shares), median(seconds)


# -- measuring and printing -----------------------------------------------------------------------


def _against_first(works: dict[str, Work], repeats: int) -> list[list[str]]:
    """Images per second of each work, measured in turn, and the ratio to the first."""
    rates: dict[str, list[float]] = {name: [] for name in works}
    for _ in range(repeats):
        for name, work in works.items():
            start = time.perf_counter()
            count = work()
            rates[name].append(count / (time.perf_counter() - start))
    base = next(iter(rates.values()))
    rows = [["", "images/s", "least to most", "ratio"]]
    for name, found in rates.items():
        ratio = median(own / other for own, other in zip(found, base, strict=True))
        spread = f"{min(found):,.0f} to {max(found):,.0f}"
        rows.append([name, f"{median(found):,.0f}", spread, f"{ratio:.1f}"])
    return rows


def _section(title: str, rows: list[list[str]]) -> None:
    print(f"\n## {title}\n\n{to_markdown(rows)}", flush=True)


if __name__ == "__main__":
    main()
