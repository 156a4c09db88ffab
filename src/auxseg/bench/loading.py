"""The work of a preset's loader: the next batch, read from the cache, augmented, with targets."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

from auxseg import assembly
from auxseg.bench.clock import Work
from auxseg.config import Config, DataConfig

#: Drawings that the loader goes round, as a number of batches.
BATCHES = 8


def next_batch(config: Config, cache_dir: Path) -> Work:
    """A batch of drawings, prepared for this system in this process.

    Args:
        cache_dir: a folder for the decoded drawings.
    """
    count = BATCHES * config.training.batch_size
    data = DataConfig(
        image_size=config.data.image_size,
        num_workers=0,
        cache_dir=str(cache_dir),
        options={"train": count, "val": 1, "test": 1},
    )
    dataset = assembly.open_dataset(data)
    config = assembly.resolve(replace(config, data=data), dataset)
    tasks = assembly.make_tasks(config, dataset.classes)
    loader = assembly.make_train_loader(config, assembly.open_data(config, dataset), tasks)
    batches = itertools.chain.from_iterable(itertools.repeat(loader))
    return Work(lambda: next(batches), flops=0, images=config.training.batch_size)
