"""Predicts many photos on a cluster: every job takes one part of them."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from auxseg.errors import DataError, UnreadableImageError
from auxseg.experiments.launchers import Launcher, run_all
from auxseg.predict import PLAIN, Wanted, find_images, load, predict_files
from auxseg.report.attention import write_attention


@dataclass(frozen=True)
class Shard:
    """One part of the photos.

    Attributes:
        run: a run directory, or a file of ``auxseg export``.
        images: files, folders and lists, as :func:`auxseg.predict.find_images` takes them.
        number: of this part, from 0.
        count: of all parts.
        wanted: what is written of each photo.
        others: further runs or files, whose answers are averaged with the first one's.
        tta: further looks of each of them at every photo.
    """

    run: str
    images: tuple[str, ...]
    out: Path
    number: int
    count: int
    accelerator: str = "auto"
    batch_size: int = 8
    wanted: Wanted = PLAIN
    others: tuple[str, ...] = ()
    tta: tuple[str, ...] = ()


def predict_shard(shard: Shard) -> str:
    """Predicts one part; returns a line about it.

    Raises:
        DataError: photos of it cannot be read; all others are predicted.
    """
    paths = find_images(shard.images)
    own = paths[shard.number :: shard.count]
    failures = []
    for result in predict_files(
        load(shard.run, shard.accelerator, others=shard.others, tta=shard.tta),
        paths,
        shard.out,
        wanted=shard.wanted,
        batch_size=shard.batch_size,
        shard=(shard.number, shard.count),
    ):
        if isinstance(result, UnreadableImageError):
            failures.append(str(result))
            print(f"auxseg: {result}", file=sys.stderr)
        elif shard.wanted.attention:
            stem, prediction = result
            write_attention(shard.out / f"{stem}_attention.png", prediction)
    if failures:
        raise DataError(f"{len(failures)} of {len(own)} photos cannot be read: {failures[0]}")
    return f"{len(own)} photos"


def predict_on(launch: Launcher, shard: Shard) -> dict[str, str]:
    """Predicts all parts; ``shard`` says of what.

    Returns:
        the parts that failed → why.
    """
    parts = {
        f"shard {number}": Shard(**{**vars(shard), "number": number})
        for number in range(shard.count)
    }
    return run_all(predict_shard, parts, launch)
