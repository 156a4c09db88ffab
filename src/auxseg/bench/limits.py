"""What the machine can do at best: the peaks that a network's throughput is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F

from auxseg.bench.clock import Work

#: Side of the square matrices, on a CPU and on a GPU.
MATRIX = {"cpu": 2048, "cuda": 8192}


def matrix_product(device: torch.device, dtype: torch.dtype) -> Work:
    """A product of two square matrices in the precision of the network's convolutions."""
    side = MATRIX.get(device.type, 2048)
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    return Work(lambda: a @ b, flops=2 * side**3, images=0)


def convolutions(
    channels: tuple[int, ...], batch: int, size: int, device: torch.device, dtype: torch.dtype
) -> dict[str, Work]:
    """One 3×3 convolution of each block of the network, forward and backward.

    The fastest of them is the machine's convolution peak for this network: no layer of it can be
    faster than the best of its layers.

    Args:
        channels: of the blocks, which halve the size from one to the next.
        size: side of the first block's features, in pixels.
    """
    works = {}
    for number, count in enumerate(channels[:-1]):  # the last block's channels are those before
        side = max(1, size >> number)
        flops = 3 * 2 * batch * count**2 * 9 * side**2
        run = _convolution(count, batch, side, device, dtype)
        works[f"convolution {count}×{count} at {side}×{side}"] = Work(run, flops, batch)
    return works


def _convolution(
    channels: int, batch: int, side: int, device: torch.device, dtype: torch.dtype
) -> Callable[[], Any]:
    options: dict[str, Any] = {"device": device, "dtype": dtype}
    features = torch.rand(batch, channels, side, side, **options, requires_grad=True)
    weight = torch.rand(channels, channels, 3, 3, **options, requires_grad=True)
    gradient = torch.rand(batch, channels, side, side, **options)

    def run() -> None:
        features.grad = weight.grad = None
        F.conv2d(features, weight, padding=1).backward(gradient)

    return run
