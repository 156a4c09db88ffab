"""From logits at the network's size to classes and probabilities at the photo's, in strips.

Memory does not grow with the classes times the photo's pixels: a photo of 12 megapixels and 60
classes would take 3 GB.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from functools import cached_property

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

#: How many logits of a strip are in memory at a time.
_STRIP = 4_000_000

#: What a probability of 1 is in 16 bits.
_ONE = 65535


def largest_enlarged(logits: Tensor, size: tuple[int, int]) -> Tensor:
    """The largest of the K logits of every pixel of a larger picture.

    Equal to ``F.interpolate(logits, size, mode="bilinear").argmax(0)``.

    Args:
        logits: float32 (K, h, w).
        size: H and W.

    Returns:
        uint8 (H, W).
    """
    found = torch.empty(size, dtype=torch.uint8, device=logits.device)
    for rows, strip in _strips(logits, size):
        found[rows] = strip.argmax(dim=0).to(torch.uint8)
    return found


class Probabilities:
    """The probability of each class at every pixel of a photo, a class at a time.

    ``list(probabilities)`` are K arrays of float32 (H, W) in [0, 1], whose sum is 1.

    Args:
        logits: float32 (K, h, w).
        size: H and W.
    """

    def __init__(self, logits: Tensor, size: tuple[int, int]) -> None:
        self._logits, self._size = logits, size

    def __len__(self) -> int:
        return len(self._logits)

    def __getitem__(self, number: int) -> np.ndarray:
        """Of one class, float32 (H, W)."""
        own = self._logits[number][None]  # raises IndexError where there is none
        plane = torch.empty(self._size)
        for rows, strip in _strips(own, self._size):
            plane[rows] = (strip[0].cpu() - self._all[rows]).exp_()
        return plane.numpy()

    @cached_property
    def _all(self) -> Tensor:
        """The logarithm of the sum over the classes, (H, W)."""
        plane = torch.empty(self._size)
        for rows, strip in _strips(self._logits, self._size):
            plane[rows] = strip.logsumexp(dim=0).cpu()
        return plane


class SpooledProbabilities:
    """As :class:`Probabilities`, of a photo whose scores came row by row: kept in a file, 16 bits
    each, that has no name and goes with the object.

    Args:
        classes: K.
        size: H and W.
    """

    def __init__(self, classes: int, size: tuple[int, int]) -> None:
        self._classes, self._size = classes, size
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the object

    def __len__(self) -> int:
        return self._classes

    def add(self, rows: slice, strip: np.ndarray) -> None:
        """Keeps float32 (K, rows, W) in [0, 1]."""
        height, width = self._size
        for number, plane in enumerate(np.rint(_ONE * strip).astype(np.uint16)):
            self._file.seek(2 * width * (height * number + rows.start))
            self._file.write(plane.data)

    def __getitem__(self, number: int) -> np.ndarray:
        """Of one class, float32 (H, W)."""
        if not 0 <= number < self._classes:
            raise IndexError(number)
        height, width = self._size
        self._file.seek(2 * width * height * number)
        content = self._file.read(2 * width * height)
        return np.frombuffer(content, np.uint16).reshape(self._size) / np.float32(_ONE)


class Enlarger:
    """Logits at another size, from rows that come one after the other.

    Args:
        rows: h, how many rows will come.
        size: H and W.
    """

    def __init__(self, rows: int, size: tuple[int, int]) -> None:
        self._rows, self._size = rows, size
        self._come, self._done = 0, 0
        self._last: Tensor | None = None

    def add(self, logits: Tensor) -> Iterator[tuple[slice, Tensor]]:
        """The next rows, float32 (K, r, w).

        Yields:
            those rows of the picture that they decide, with their logits (K, rows, W): bilinear,
            pixels' centres met. After the last of the h rows, all of the picture was yielded.
        """
        height, width = self._size
        if logits.shape[2] != width:
            logits = F.interpolate(
                logits[None], (logits.shape[1], width), mode="bilinear", align_corners=False
            )[0]
        first = self._come
        if self._last is not None:
            logits, first = torch.cat([self._last, logits], dim=1), first - 1
        self._come = first + logits.shape[1]
        self._last = logits[:, -1:].clone()
        # Where each row of the picture lies between two rows of the logits.
        place = (torch.arange(self._done, height, device=logits.device) + 0.5) * (
            self._rows / height
        ) - 0.5
        place = place.clamp_min(0)
        above = place.long().clamp_max(self._rows - 1)
        below = (above + 1).clamp_max(self._rows - 1)
        ready = int((below < self._come).sum())
        share = (place - above).to(logits.dtype)[:, None]
        step = max(1, _STRIP // (logits.shape[0] * width))
        for start in range(0, ready, step):
            part = slice(start, min(start + step, ready))
            strip = torch.lerp(
                logits[:, above[part] - first], logits[:, below[part] - first], share[part]
            )
            yield slice(self._done + part.start, self._done + part.stop), strip
        self._done += ready


def _strips(logits: Tensor, size: tuple[int, int]) -> Iterator[tuple[slice, Tensor]]:
    """Rows of a larger picture with their logits, (K, rows, W)."""
    return Enlarger(logits.shape[1], size).add(logits)
