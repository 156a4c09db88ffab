"""Every image is decoded once: images and labels as training wants them, as memory-mapped arrays.

A cache folder appears whole, by one rename (:mod:`auxseg.data.building`).
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from threading import Lock
from typing import Any, BinaryIO

import numpy as np

from auxseg.data.arrays import META, PIXELS, DecodedArrays, Layout, bytes_of, layout, load_arrays
from auxseg.data.base import Dataset
from auxseg.data.building import beside, remove_leftovers, rename
from auxseg.data.fits import Fit
from auxseg.data.likeness import fingerprint
from auxseg.data.observations import dark, digest
from auxseg.data.stored import cache_root, make_room
from auxseg.errors import DataError, UnreadableImageError
from auxseg.progress import progress
from auxseg.types import IGNORE_INDEX, NO_LABEL, Sample

#: Raised whenever the files of a cache folder change their meaning.
CACHE_FORMAT = 5

#: Below this many images a build takes no longer than a second or two: not worth a line in a log.
QUIET_BELOW = 200


def decoded(
    dataset: Dataset,
    fit: Fit,
    cache_dir: Path | None = None,
    *,
    keep: str = "all",
    limit: float | None = None,
) -> DecodedArrays:
    """Opens the data set's cache, or decodes every image into one with a thread per core.

    Args:
        dataset: its ``read`` must allow calls from several threads.
        fit: how photos become pictures of one size, which decides what is kept of them.
        cache_dir: the folder for caches; None means ``$AUXSEG_CACHE``, else the user's cache
            folder of the operating system. The arrays lie in ``decoded/NAME-FIT-KEY`` below it.
        keep: ``all``, or ``none`` for a data set whose pixels the disk has no room for: only labels
            are kept, and the arrays of pixels are empty (:mod:`auxseg.data.live` fills them).
        limit: what all caches together may take of the disk, in GB; others go where this one needs
            their room (:func:`auxseg.data.stored.make_room`).

    Raises:
        DataError: a label is wrong, no image can be read, or the folder cannot hold the cache.
    """
    key = cache_key(dataset, fit)
    name = f"{dataset.NAME}-{fit.key}-{key}" + ("-labels" if keep == "none" else "")
    folder = cache_root(cache_dir) / "decoded" / name
    arrays = _open(folder, key)
    if arrays is None:
        plan = _Plan(dataset, fit, folder, key, pixels=keep == "all")
        if limit is not None:
            make_room(limit, plan.bytes, cache_dir)
        arrays = _build(plan, limit, cache_dir)
    os.utime(folder / META)  # when it was last used
    return arrays


def cache_key(dataset: Dataset, fit: Fit) -> str:
    """16 hexadecimal digits that change whenever ``fit.read(dataset, …)`` may return something
    else: data set, options, fit, cache format, and path, bytes and date of every source file."""
    digest = hashlib.blake2b(digest_size=8)
    known = (dataset.NAME, dataset.VERSION, dataset.options_key(), fit.key, len(dataset))
    digest.update(repr((CACHE_FORMAT, *known)).encode())
    for index in range(len(dataset)):
        states = [_file_state(os.path.abspath(path)) for path in dataset.sources(index)]
        digest.update(repr(states).encode())
    return digest.hexdigest()


def _file_state(path: str) -> tuple[str, int, int]:
    try:
        status = os.stat(path)
    except OSError:
        return path, -1, -1  # a missing file is a state too: the key changes when it appears
    return path, status.st_size, status.st_mtime_ns


def _open(folder: Path, key: str) -> DecodedArrays | None:
    """The finished cache in this folder; None where there is none or it is damaged."""
    try:
        meta = json.loads((folder / META).read_text(encoding="utf-8"))
        if (meta["format"], meta["key"]) != (CACHE_FORMAT, key):
            return None
        return load_arrays(folder)
    except (OSError, ValueError, KeyError, TypeError):
        return None  # missing, cut short or not ours: built anew, which reports what cannot be done


@dataclass(frozen=True)
class _Plan:
    """What is to be decoded, into which folder."""

    dataset: Dataset
    fit: Fit
    folder: Path
    key: str
    pixels: bool

    @property
    def side(self) -> int | None:
        """Of the squares that are kept; None where each photo has a size of its own."""
        return self.fit.size if self.fit.WHOLE else None

    @property
    def layout(self) -> Layout:
        return layout(len(self.dataset), self.side, pixels=self.pixels)

    @property
    def bytes(self) -> int:
        """What is known beforehand of the cache's size: photos of their own sizes come on top."""
        return bytes_of(self.layout)


def _build(plan: _Plan, limit: float | None, cache_dir: Path | None) -> DecodedArrays:
    dataset, folder = plan.dataset, plan.folder
    if len(dataset) == 0:
        raise DataError(f"{dataset.NAME}: there is no image to decode")
    building = beside(folder)
    try:
        with _writing(folder):
            building.mkdir(parents=True)
            remove_leftovers(folder.parent)
            arrays = _allocate(building, plan.layout)
        with _pixels_of(plan, arrays, building) as keep:
            problems, brightest = _decode_all(plan, arrays, keep)
        if len(problems) == len(dataset):
            raise DataError(f"{dataset.NAME}: no image can be read; the first: {problems[0]}")
        if limit is not None and (building / PIXELS).exists():
            make_room(limit, plan.bytes + (building / PIXELS).stat().st_size, cache_dir)
        with _writing(folder):
            for array in arrays.values():
                array.flush()
            meta: dict[str, Any] = {"problems": problems, "notes": list(dark(brightest))}
            _write_meta(building, plan, meta)
            _publish(building, folder, plan.key)
    finally:
        # After success there is nothing here. After a failure that failure is the one to report;
        # what cannot be removed now is removed by a build on another day.
        shutil.rmtree(building, ignore_errors=True)
    return load_arrays(folder)


#: Keeps the pixels of an image, by its number.
_Keep = Callable[[int, Sample], None]


@contextmanager
def _pixels_of(plan: _Plan, arrays: dict[str, np.memmap], building: Path) -> Iterator[_Keep]:
    """Where pixels go: into squares, one after the other into a file, or nowhere."""

    def square(index: int, sample: Sample) -> None:
        arrays["images"][index] = sample.image
        arrays["masks"][index] = IGNORE_INDEX if sample.mask is None else sample.mask

    if not plan.pixels:
        yield lambda index, sample: None
    elif plan.side is not None:
        yield square
    else:
        with _writing(plan.folder), (building / PIXELS).open("wb") as stream:
            yield partial(_append, stream, Lock(), arrays["starts"])
            stream.flush()
            os.fsync(stream.fileno())


def _append(stream: BinaryIO, lock: Lock, starts: np.ndarray, index: int, sample: Sample) -> None:
    """Writes the pixels of an image behind those of the others."""
    height, width = sample.image.shape[:2]
    mask = sample.mask
    if mask is None:
        mask = np.full((height, width), IGNORE_INDEX, np.uint8)
    with lock:
        starts[index] = stream.tell()
        stream.write(np.ascontiguousarray(sample.image).data)
        stream.write(np.ascontiguousarray(mask).data)


@contextmanager
def _writing(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise DataError(
            f"{folder}: cannot write the cache of decoded images ({error.strerror or error}); "
            "set AUXSEG_CACHE to a writable folder with more room, remove old caches (auxseg data "
            "cache --prune), or decode images whenever they are needed (--data.cache none)"
        ) from error


def _allocate(building: Path, shapes: Layout) -> dict[str, np.memmap]:
    needed = bytes_of(shapes)
    free = shutil.disk_usage(building).free
    if free < needed:
        raise OSError(errno.ENOSPC, f"needs {needed / 1e9:.1f} GB, {free / 1e9:.1f} GB are free")
    arrays = {}
    for name, (dtype, shape) in shapes.items():
        path = building / f"{name}.npy"
        arrays[name] = np.lib.format.open_memmap(path, mode="w+", dtype=dtype, shape=shape)
        _reserve(path)
    return arrays


def _reserve(path: Path) -> None:
    """Takes the blocks of a sparse file now: a full disk is an error here, but kills the process
    (SIGBUS) when a mapped page cannot be written later."""
    if not hasattr(os, "posix_fallocate"):
        return
    with path.open("r+b") as file:
        try:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
        except OSError as error:
            # Some file systems cannot reserve; for them the look at the free space has to do.
            if error.errno not in (errno.EOPNOTSUPP, errno.EINVAL):
                raise


def _decode_all(
    plan: _Plan, arrays: dict[str, np.memmap], keep: _Keep
) -> tuple[list[str], list[int]]:
    """Fills the arrays.

    Returns:
        one line for each unreadable image, in the images' order, and the brightest value of each
        of the others.
    """
    dataset = plan.dataset

    def decode(index: int) -> str | int:
        try:
            sample = plan.fit.read(dataset, index)
        except UnreadableImageError as error:
            _store_unreadable(arrays, index)
            return str(error)
        keep(index, sample)
        _store(arrays, index, sample)
        return int(sample.image.max())

    executor = ThreadPoolExecutor(os.cpu_count())
    try:
        with _progress(plan) as advance:
            futures = [executor.submit(decode, index) for index in range(len(dataset))]
            for future in as_completed(futures):
                future.result()  # a DataError ends the build here
                advance()
    finally:
        executor.shutdown(cancel_futures=True)
    found = [future.result() for future in futures]
    problems = [one for one in found if isinstance(one, str)]
    return problems, [one for one in found if isinstance(one, int)]


def _store(arrays: dict[str, np.memmap], index: int, sample: Sample) -> None:
    if "sizes" in arrays:
        arrays["sizes"][index] = sample.image.shape[:2]
        if sample.mask is not None:
            arrays["counts"][index] = np.bincount(sample.mask.ravel(), minlength=256)
    arrays["labels"][index] = NO_LABEL if sample.label is None else sample.label
    arrays["boxes"][index] = np.nan if sample.box is None else sample.box
    arrays["has_mask"][index] = sample.mask is not None
    arrays["readable"][index] = True
    arrays["digests"][index] = digest(sample.image)
    arrays["prints"][index] = fingerprint(sample.image)
    arrays["extents"][index] = sample.extent


def _store_unreadable(arrays: dict[str, np.memmap], index: int) -> None:
    if "masks" in arrays:
        arrays["masks"][index] = IGNORE_INDEX
    arrays["labels"][index] = NO_LABEL
    arrays["boxes"][index] = np.nan
    arrays["extents"][index] = 1


@contextmanager
def _progress(plan: _Plan) -> Iterator[Callable[[], None]]:
    """How far decoding is; in a log also where to, as that takes room on a disk."""
    total, what = len(plan.dataset), f"images of {plan.dataset.NAME} at {plan.fit.text}"
    if total >= QUIET_BELOW and not sys.stderr.isatty():
        print(f"decoding {total} {what} into {plan.folder}", file=sys.stderr, flush=True)
    with progress(f"decoding {what}", total) as advance:
        yield advance


def _write_meta(building: Path, plan: _Plan, found: dict[str, Any]) -> None:
    meta = {
        "format": CACHE_FORMAT,
        "key": plan.key,
        "name": plan.dataset.NAME,
        "fit": plan.fit.text,
        "side": plan.side,
        "pixels": plan.pixels,
        "count": len(plan.dataset),
        **found,
    }
    with (building / META).open("w", encoding="utf-8") as file:
        json.dump(meta, file, indent=1)
        file.flush()
        os.fsync(file.fileno())


def _publish(building: Path, folder: Path, key: str) -> None:
    """Gives the finished folder its name, unless another process was first."""
    while not rename(building, folder):
        if _open(folder, key) is not None:
            return
        # A damaged folder is in the way: renamed first, so that nobody sees it half removed.
        damaged = building.with_name(f"{building.name}-damaged")
        if rename(folder, damaged):
            shutil.rmtree(damaged)
