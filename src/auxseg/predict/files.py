"""Photos in files and folders: read ahead, predicted in batches, written, in order."""

from __future__ import annotations

import json
import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from auxseg.data.decode import read_image
from auxseg.data.files import IMAGE_ENDINGS, is_image, list_files
from auxseg.errors import UnreadableImageError, UsageError
from auxseg.predict.network import Outputs
from auxseg.predict.predictor import Prediction, Predictor
from auxseg.runs.files import check_folder, replacing

BATCH_SIZE = 8

#: Threads that decode photos, and as many that draw and write pictures.
THREADS = min(4, os.cpu_count() or 1)

#: NAME and what was found, or why the photo cannot be read.
Result = tuple[str, Prediction] | UnreadableImageError


def find_images(paths: Sequence[str | Path]) -> list[Path]:
    """Image files as given, and those directly inside folders, in order of name; each once.

    Raises:
        UsageError: a path does not exist, or a folder holds no image.
    """
    found: list[Path] = []
    for path in map(Path, paths):
        if path.is_dir():
            inside = [item for item in list_files(path) if is_image(item)]
            if not inside:
                raise UsageError(f"{path}: holds no image ({', '.join(IMAGE_ENDINGS)})")
            found += inside
        elif path.is_file():
            found.append(path)
        else:
            raise UsageError(f"{path}: no such image or folder")
    once: dict[Path, Path] = {}
    for path in found:
        once.setdefault(path.resolve(), path)
    return list(once.values())


def predict_files(
    predictor: Predictor,
    paths: Sequence[Path],
    out: Path,
    *,
    attention: bool = False,
    batch_size: int = BATCH_SIZE,
) -> Iterator[Result]:
    """Predicts files in batches and writes what is found into ``out``, yielding each result.

    Writes ``NAME_mask.png`` (class indices, the photo's size), ``NAME_overlay.png``,
    ``NAME_TASK.png`` of tasks with a picture of their own, ``NAME_attention.npz`` where asked for,
    and, in the end, ``predictions.json``. Yields NAME and what was found, in the order of the
    paths, once its files are written; an unreadable file is yielded as its error, and the others
    go on.

    While the network runs on a batch, threads decode the next one and draw and write the one
    before: three batches of photos are in memory, however many there are.
    """
    check_folder(out)
    out.mkdir(parents=True, exist_ok=True)
    entries: list[dict[str, Any]] = []
    with _threads() as readers, _threads() as writers:
        for found in _pipeline(predictor, paths, out, attention, batch_size, readers, writers):
            if not isinstance(found, UnreadableImageError):
                stem, prediction = found
                entries.append({**prediction.as_dict(), "files": stem})
            yield found
    with replacing(out / "predictions.json") as temporary:
        temporary.write_text(json.dumps(entries, indent=2) + "\n", encoding="utf-8")


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


def _pipeline(
    predictor: Predictor,
    paths: Sequence[Path],
    out: Path,
    attention: bool,
    batch_size: int,
    readers: ThreadPoolExecutor,
    writers: ThreadPoolExecutor,
) -> Iterator[Result]:
    names = output_names(paths)

    def read(path: Path) -> _Photo | UnreadableImageError:
        try:
            pixels = read_image(path)
        except UnreadableImageError as error:
            return error
        return _Photo(names[path], path.name, pixels, predictor.shrink(pixels))

    def finish(photo: _Photo, outputs: Outputs) -> Result:
        prediction = predictor.decode(photo.name, photo.pixels, outputs)
        write_pictures(prediction, out, photo.stem)
        return photo.stem, prediction

    def start(batch: Sequence[Path]) -> list[Future[_Photo | UnreadableImageError]]:
        return [readers.submit(read, path) for path in batch]

    batches = [paths[first : first + batch_size] for first in range(0, len(paths), batch_size)]
    coming = deque([start(batch) for batch in batches[:1]])
    written: list[Future[Result] | UnreadableImageError] = []
    for following in [*batches[1:], []]:
        photos = [future.result() for future in coming.popleft()]
        coming.append(start(following))
        readable = [photo for photo in photos if isinstance(photo, _Photo)]
        small = [photo.small for photo in readable]
        outputs = iter(predictor.run(small, attention=attention) if small else [])
        yield from _finished(written)
        written = [
            writers.submit(finish, photo, next(outputs)) if isinstance(photo, _Photo) else photo
            for photo in photos
        ]
    yield from _finished(written)


def _finished(results: Sequence[Future[Result] | UnreadableImageError]) -> Iterator[Result]:
    for result in results:
        yield result.result() if isinstance(result, Future) else result


def write_pictures(prediction: Prediction, out: Path, stem: str) -> None:
    """Writes ``STEM_*`` into a folder, each file whole or not at all."""
    pictures = {"overlay": prediction.overlay, **prediction.pictures}
    if prediction.mask is not None:
        pictures["mask"] = prediction.mask
    for name, picture in pictures.items():
        with replacing(out / f"{stem}_{name}.png") as temporary:
            Image.fromarray(picture).save(temporary, format="png")
    if prediction.attention:
        with replacing(out / f"{stem}_attention.npz") as temporary, temporary.open("wb") as stream:
            np.savez_compressed(stream, **prediction.attention)  # type: ignore[arg-type]


def output_names(paths: Sequence[Path]) -> dict[Path, str]:
    """A name for every photo's files: its stem, numbered where two photos share one."""
    names: dict[Path, str] = {}
    taken: set[str] = set()
    for path in paths:
        name, number = path.stem, 2
        while name in taken and path not in names:
            name, number = f"{path.stem}_{number}", number + 1
        names.setdefault(path, name)
        taken.add(name)
    return names
