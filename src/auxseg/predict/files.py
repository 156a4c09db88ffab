"""Photos in files: read ahead, predicted in batches, written, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from auxseg.data.decode import read_image
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.predict.journal import Journal
from auxseg.predict.network import Outputs
from auxseg.predict.outputs import PLAIN, Wanted, Writer, entry_of, write_outputs, writers
from auxseg.predict.outputs.polygons import write_coco
from auxseg.predict.outputs.tables import write_tables
from auxseg.predict.photos import output_names
from auxseg.predict.predictor import Prediction, Predictor
from auxseg.runs.files import check_folder
from auxseg.runs.lock import NAME, held, locked

BATCH_SIZE = 8

#: Raised whenever other files are written of the same photo by the same network: then all are
#: written anew.
OUTPUTS = 2

#: Threads that decode photos, and as many that draw and write pictures.
THREADS = min(4, os.cpu_count() or 1)

#: NAME and what was found, or why the photo cannot be read.
Result = tuple[str, Prediction] | UnreadableImageError


@dataclass(frozen=True)
class Album:
    """Photos on their way into a folder, or the part of them that one process takes.

    Args:
        paths: all photos, in order; each has a name for its files.
        out: the folder.
        shard: number (from 0) and count of the parts; this one takes every count-th photo.
        wanted: what is written of each.
    """

    paths: Sequence[Path]
    out: Path
    shard: tuple[int, int] = (0, 1)
    wanted: Wanted = PLAIN

    @property
    def own(self) -> Sequence[Path]:
        """The photos of this part."""
        number, count = self.shard
        return self.paths[number::count]


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    out: Path,
    *,
    wanted: Wanted = PLAIN,
    batch_size: int = BATCH_SIZE,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[Result]:
    """Predicts files in batches and writes what is found into ``out``, yielding each result.

    Writes ``NAME_mask.png`` (class indices with a palette, the photo's size), ``NAME_overlay.png``
    with a legend, ``NAME_TASK.png`` of tasks with a picture of their own, what else is wanted, and,
    in the end, ``predictions.json`` and ``areas.csv`` (every class's pixels). Yields NAME and what
    was found, in the order of the paths, once its files are written; an unreadable file is yielded
    as its error, and the others go on. A photo that the same network predicted into this folder
    before, and that has not changed since, is passed over and not yielded.

    While the network runs on a batch, threads decode the next one and draw and write the one
    before: three batches of photos are in memory, however many there are.

    Args:
        shard: see :class:`Album`. Each process writes a journal of its own, and the one that ends
            last the tables of all.

    Raises:
        UsageError: a file would be overwritten that auxseg did not write, or another process
            writes into the folder (the same part of it, or one of another number of parts).
    """
    album = Album(paths, out, shard, wanted)
    check_folder(out)
    alone = shard[1] == 1
    with locked(out, "" if alone else _part(*shard)):
        _check_parts(out, shard[1])
        if alone:  # what a kill left half written; with shards it may be another process's
            for torn in out.glob(".*.tmp"):
                torn.unlink(missing_ok=True)
        yield from _predict_album(predictor, album, batch_size)


def _part(number: int | str, count: int | str) -> str:
    """What of a folder the process of a shard holds."""
    return f"-{number}-of-{count}"


def _check_parts(out: Path, count: int) -> None:
    """Raises :class:`UsageError` where processes of another number of parts are at work."""
    for path in out.glob(f"{NAME}{_part('*', '*')}"):
        found = path.name.removeprefix(NAME)
        if not found.endswith(f"-of-{count}") and held(out, found):
            other = found.rpartition("-")[2]
            raise UsageError(
                f"--shards: {count}, but another process is predicting into {out} with --shards "
                f"{other}; take as many, or wait for its end"
            )
    if count > 1 and held(out, ""):
        raise UsageError(
            f"--shards: {count}, but another process is predicting into {out} without --shards; "
            "wait for its end"
        )


def _predict_album(predictor: Predictor, album: Album, batch_size: int) -> Iterator[Result]:
    names = output_names(album.paths)
    network = f"{OUTPUTS} {predictor.network.checksum} {album.wanted.key}"
    journal = Journal(album.out, network, album.shard)
    files = writers(predictor.tasks, album.wanted)
    journal.check_free([names[path] for path in album.own], files)
    coming = [path for path in album.own if not journal.done(path, names[path])]
    work = _Work(predictor, album, names, journal, files)
    with _threads() as reading, _threads() as writing:
        for path, found in work.pipeline(coming, batch_size, reading, writing):
            if isinstance(found, UnreadableImageError):
                yield found
                continue
            journal.note(path, found.entry, files)
            yield found.entry["files"], found.prediction
    # One after the other: the last one to read the journals is the last one to write, too.
    with locked(album.out, "-entries", wait=600):
        everything = Journal(album.out, network, album.shard)
        write_tables(album.out, everything.entries(album.paths))
        if album.wanted.polygons == "coco":
            classes = predictor.tasks["segmentation"].classes.mask
            write_coco(album.out, lambda: everything.entries(album.paths), classes)


@contextmanager
def _threads() -> Iterator[ThreadPoolExecutor]:
    """Threads that start nothing more once the block is left, also by an error or Ctrl-C."""
    pool = ThreadPoolExecutor(THREADS)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


@dataclass(frozen=True)
class _Photo:
    """A decoded photo: NAME of its files, its file, pixels, and what the network is shown."""

    stem: str
    path: Path
    pixels: np.ndarray
    small: np.ndarray


@dataclass(frozen=True)
class _Done:
    """A photo whose files are written, and what is to be noted of it."""

    prediction: Prediction
    entry: dict[str, Any]


@dataclass(frozen=True)
class _Work:
    """What the threads do with each photo."""

    predictor: Predictor
    album: Album
    names: Mapping[Path, str]
    journal: Journal
    files: Mapping[str, Writer]

    def read(self, path: Path) -> _Photo | UnreadableImageError:
        try:
            pixels = read_image(path)
        except UnreadableImageError as error:
            return error
        return _Photo(self.names[path], path, pixels, self.predictor.shrink(pixels))

    def finish(self, photo: _Photo, outputs: Outputs) -> _Done:
        wanted = self.album.wanted
        prediction = self.predictor.decode(
            photo.path.name,
            photo.pixels,
            outputs,
            probabilities=wanted.probabilities is not None,
            source=photo.path,
        )
        write_outputs(prediction, self.album.out, photo.stem, self.files)
        return _Done(prediction, entry_of(prediction, photo.stem, wanted))

    def pipeline(
        self,
        paths: Sequence[Path],
        batch_size: int,
        reading: ThreadPoolExecutor,
        writing: ThreadPoolExecutor,
    ) -> Iterator[tuple[Path, _Done | UnreadableImageError]]:
        """Photos in order with what was found, once that is written."""
        batch_size = min(batch_size, self.predictor.together or batch_size)
        batches = [paths[first : first + batch_size] for first in range(0, len(paths), batch_size)]
        coming = deque([self._start(batch, reading) for batch in batches[:1]])
        written: list[tuple[Path, Future[_Done] | UnreadableImageError]] = []
        followers = [*batches[1:], []][: len(batches)]  # none where there is no batch
        for batch, following in zip(batches, followers, strict=True):
            photos = [future.result() for future in coming.popleft()]
            coming.append(self._start(following, reading))
            readable = [photo for photo in photos if isinstance(photo, _Photo)]
            small = [photo.small for photo in readable]
            outputs = iter(self._run(small) if small else ())
            yield from _finished(written)
            self.journal.announce([photo.stem for photo in readable])
            written = [
                (path, writing.submit(self.finish, photo, next(outputs)))
                if isinstance(photo, _Photo)
                else (path, photo)
                for path, photo in zip(batch, photos, strict=True)
            ]
        yield from _finished(written)

    def _run(self, small: Sequence[np.ndarray]) -> list[Outputs]:
        wanted = self.album.wanted
        return self.predictor.run(
            small,
            attention=wanted.attention,
            probabilities=wanted.probabilities is not None,
        )

    def _start(
        self, batch: Sequence[Path], reading: ThreadPoolExecutor
    ) -> list[Future[_Photo | UnreadableImageError]]:
        return [reading.submit(self.read, path) for path in batch]


def _finished(
    results: Sequence[tuple[Path, Future[_Done] | UnreadableImageError]],
) -> Iterator[tuple[Path, _Done | UnreadableImageError]]:
    for path, result in results:
        yield path, result.result() if isinstance(result, Future) else result
