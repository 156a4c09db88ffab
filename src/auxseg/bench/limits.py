"""What the machine can do at best: the peaks that a network's throughput is held against."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from auxseg.bench.clock import Work

#: Side of the square matrices, on a CPU and on a GPU.
MATRIX = {"cpu": 2048, "cuda": 8192}


def matrix_product(device: torch.device, dtype: torch.dtype) -> Work:
    """A product of two square matrices in the precision of the network's convolutions.

    On NVIDIA's GPUs that is TF32 for float32, which torch allows convolutions and not products.
    """
    side = MATRIX.get(device.type, 2048)
    a, b = (torch.rand(side, side, device=device, dtype=dtype) for _ in range(2))
    products, convolutions = torch.backends.cuda.matmul, torch.backends.cudnn

    def run() -> None:
        before = products.allow_tf32
        products.allow_tf32 = convolutions.allow_tf32
        a @ b
        products.allow_tf32 = before

    return Work(run, flops=2 * side**3, images=0)


def convolutions(
    channels: tuple[int, ...],
    batch: int,
    size: int,
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format = torch.contiguous_format,
) -> dict[str, Work]:
    """One 3×3 convolution of each block of the network, forward and backward.

    The fastest of them is the machine's convolution peak for this network: no layer of it can be
    faster than the best of its layers.

    Args:
        channels: of the blocks, which halve the size from one to the next.
        size: side of the first block's features, in pixels.
        layout: of features and weights in memory.
    """
    works = {}
    for number, count in enumerate(channels[:-1]):  # the last block's channels are those before
        side = max(1, size >> number)
        flops = 3 * 2 * batch * count**2 * 9 * side**2
        run = _convolution(count, batch, side, device, dtype, layout)
        works[f"convolution {count}×{count} at {side}×{side}"] = Work(run, flops, batch)
    return works


def _convolution(
    channels: int,
    batch: int,
    side: int,
    device: torch.device,
    dtype: torch.dtype,
    layout: torch.memory_format,
) -> Callable[[], Any]:
    def draw(*shape: int) -> Tensor:
        return torch.rand(*shape, device=device, dtype=dtype).to(memory_format=layout)

    features = draw(batch, channels, side, side).requires_grad_()
    weight = draw(channels, channels, 3, 3).requires_grad_()
    gradient = draw(batch, channels, side, side)

    def run() -> None:
        features.grad = weight.grad = None
        torch.autograd.backward(F.conv2d(features, weight, padding=1), gradient)

    return run
