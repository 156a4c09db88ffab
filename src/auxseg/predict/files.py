"""Photos in files and folders: read ahead, predicted in batches, written, in order."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from auxseg.data.decode import read_image
from auxseg.data.files import IMAGE_ENDINGS, is_image, left_out, list_files
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.predict.journal import Journal
from auxseg.predict.network import Outputs
from auxseg.predict.predictor import Prediction, Predictor
from auxseg.runs.files import check_folder, replacing
from auxseg.runs.lock import NAME, held, locked

BATCH_SIZE = 8

#: Bytes of a stem. File systems take names of 255; an ending, a number and a temporary name follow.
_LONGEST = 180

#: Threads that decode photos, and as many that draw and write pictures.
THREADS = min(4, os.cpu_count() or 1)

#: NAME and what was found, or why the photo cannot be read.
Result = tuple[str, Prediction] | UnreadableImageError


def find_images(
    paths: Sequence[str | Path], tell: Callable[[str], None] = lambda line: None
) -> list[Path]:
    """Image files as given, those directly inside folders, in order of name, and those of lists.

    Args:
        paths: images, folders, and text files (``.txt``) that name one image per line. Each image
            is found once.
        tell: called with a line about what is left out of a folder.

    Raises:
        UsageError: a path does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for path in _listed(map(Path, paths)):
        if path.is_dir():
            inside = [item for item in list_files(path) if is_image(item)]
            further = left_out(path, strangers=False)
            if not inside:
                why = "; ".join((", ".join(IMAGE_ENDINGS), *further))
                raise UsageError(f"{path}: holds no image ({why})")
            for line in further:
                tell(line)
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such image or folder")
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values())


def _listed(paths: Iterable[Path]) -> Iterator[Path]:
    """Paths, with the lines of every list in place of the list."""
    for path in paths:
        if path.suffix.lower() != ".txt" or not path.is_file():
            yield path
            continue
        try:
            lines = path.read_text(encoding="utf-8-sig").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise UsageError(f"{path}: cannot be read as a list of images ({error})") from None
        for number, line in enumerate(lines, start=1):
            if line.strip():
                image = Path(line.strip()).expanduser()
                if not image.is_file():
                    raise UsageError(f"{path} line {number}: {image}: no such image")
                yield image


@dataclass(frozen=True)
class Album:
    """Photos on their way into a folder, or the part of them that one process takes.

    Args:
        paths: all photos, in order; each has a name for its files.
        out: the folder.
        shard: number (from 0) and count of the parts; this one takes every count-th photo.
        attention: whether attention masks are written, too.
    """

    paths: Sequence[Path]
    out: Path
    shard: tuple[int, int] = (0, 1)
    attention: bool = False

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
    attention: bool = False,
    batch_size: int = BATCH_SIZE,
    shard: tuple[int, int] = (0, 1),
) -> Iterator[Result]:
    """Predicts files in batches and writes what is found into ``out``, yielding each result.

    Writes ``NAME_mask.png`` (class indices, the photo's size), ``NAME_overlay.png``,
    ``NAME_TASK.png`` of tasks with a picture of their own, ``NAME_attention.npz`` where asked for,
    and, in the end, ``predictions.json``. Yields NAME and what was found, in the order of the
    paths, once its files are written; an unreadable file is yielded as its error, and the others
    go on. A photo that the same network predicted into this folder before, and that has not
    changed since, is passed over and not yielded.

    While the network runs on a batch, threads decode the next one and draw and write the one
    before: three batches of photos are in memory, however many there are.

    Args:
        shard: see :class:`Album`. Each process writes a journal of its own, and the one that ends
            last ``predictions.json`` of all.

    Raises:
        UsageError: a file would be overwritten that auxseg did not write, or another process
            writes into the folder (the same part of it, or one of another number of parts).
    """
    album = Album(paths, out, shard, attention)
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
    network = f"{predictor.network.checksum}{' attention' * album.attention}"
    journal = Journal(album.out, network, album.shard)
    journal.check_free(names[path] for path in album.own)
    coming = [path for path in album.own if not journal.done(path, names[path])]
    work = _Work(predictor, album, names, journal)
    with _threads() as readers, _threads() as writers:
        for path, found in work.pipeline(coming, batch_size, readers, writers):
            if not isinstance(found, UnreadableImageError):
                stem, prediction = found
                entry = {**prediction.as_dict(), "files": stem}
                journal.note(path, entry, pictures_of(prediction))
            yield found
    # One after the other: the last one to read the journals is the last one to write, too.
    with locked(album.out, "-entries", wait=600):
        Journal(album.out, network, album.shard).write_entries(album.paths)


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
    """A decoded photo: NAME of its files, file name, pixels, and what the network is shown."""

    stem: str
    name: str
    pixels: np.ndarray
    small: np.ndarray


@dataclass(frozen=True)
class _Work:
    """What the threads do with each photo."""

    predictor: Predictor
    album: Album
    names: Mapping[Path, str]
    journal: Journal

    def read(self, path: Path) -> _Photo | UnreadableImageError:
        try:
            pixels = read_image(path)
        except UnreadableImageError as error:
            return error
        return _Photo(self.names[path], path.name, pixels, self.predictor.shrink(pixels))

    def finish(self, photo: _Photo, outputs: Outputs) -> Result:
        prediction = self.predictor.decode(photo.name, photo.pixels, outputs)
        write_pictures(prediction, self.album.out, photo.stem)
        return photo.stem, prediction

    def pipeline(
        self,
        paths: Sequence[Path],
        batch_size: int,
        readers: ThreadPoolExecutor,
        writers: ThreadPoolExecutor,
    ) -> Iterator[tuple[Path, Result]]:
        """Photos in order with what was found, once that is written."""
        batches = [paths[first : first + batch_size] for first in range(0, len(paths), batch_size)]
        coming = deque([self._start(batch, readers) for batch in batches[:1]])
        written: list[tuple[Path, Future[Result] | UnreadableImageError]] = []
        followers = [*batches[1:], []][: len(batches)]  # none where there is no batch
        for batch, following in zip(batches, followers, strict=True):
            photos = [future.result() for future in coming.popleft()]
            coming.append(self._start(following, readers))
            readable = [photo for photo in photos if isinstance(photo, _Photo)]
            small = [photo.small for photo in readable]
            ran = self.predictor.run(small, attention=self.album.attention) if small else []
            outputs = iter(ran)
            yield from _finished(written)
            self.journal.announce([photo.stem for photo in readable])
            written = [
                (path, writers.submit(self.finish, photo, next(outputs)))
                if isinstance(photo, _Photo)
                else (path, photo)
                for path, photo in zip(batch, photos, strict=True)
            ]
        yield from _finished(written)

    def _start(
        self, batch: Sequence[Path], readers: ThreadPoolExecutor
    ) -> list[Future[_Photo | UnreadableImageError]]:
        return [readers.submit(self.read, path) for path in batch]


def _finished(
    results: Sequence[tuple[Path, Future[Result] | UnreadableImageError]],
) -> Iterator[tuple[Path, Result]]:
    for path, result in results:
        yield path, result.result() if isinstance(result, Future) else result


def pictures_of(prediction: Prediction) -> dict[str, np.ndarray]:
    """The pictures that are written of a photo, by the ends of their names."""
    mask = {} if prediction.mask is None else {"mask": prediction.mask}
    return {"overlay": prediction.overlay, **prediction.pictures, **mask}


def write_pictures(prediction: Prediction, out: Path, stem: str) -> None:
    """Writes ``STEM_*`` into a folder, each file whole or not at all."""
    for name, picture in pictures_of(prediction).items():
        with replacing(out / f"{stem}_{name}.png", sync=False) as temporary:
            Image.fromarray(picture).save(temporary, format="png")
    if prediction.attention:
        with replacing(out / f"{stem}_attention.npz") as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **prediction.attention)  # type: ignore[arg-type]


def _short(stem: str) -> str:
    """A stem of at most so many bytes that file systems take it with ``_overlay.png`` behind."""
    while len(os.fsencode(stem)) > _LONGEST:
        stem = stem[:-1]
    return stem


def output_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for every photo's files: its stem, numbered where two photos share one.

    A stem so long that no ending would fit behind it is cut.
    """
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        stem, number = _short(path.stem), 2
        name = stem
        while name in taken and path not in names:
            name, number = f"{stem}_{number}", number + 1
        names.setdefault(path, name)
        taken.add(name)
    return names
