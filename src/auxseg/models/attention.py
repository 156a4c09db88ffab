"""The attention of one task in one block (Liu, Johns and Davison 2019, MTAN, section 3.2)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor, nn

from auxseg.models.layers import InOrder


class AttentionMask(InOrder, nn.Sequential):
    """a = sigmoid(BN(conv1×1(ReLU(BN(conv1×1(x)))))): (N, C_in, H, W) → (N, C, H, W) in (0, 1).

    The first convolution already brings the input to the block's C channels.
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(
            nn.Conv2d(in_channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, kernel_size=1, bias=False),
            nn.BatchNorm2d(channels),
            nn.Sigmoid(),
        )


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[dict[str, Tensor]]:
    """Yields a dictionary that forward passes inside the block fill with their attention masks.

    Keys are ``TASK/encoder-J`` and, in MTAN as published, ``TASK/decoder-J``, with J the level, 1
    the finest; values (N, C_J, H_J, W_J) in (0, 1), of the padded image; C_{J-1} channels (C_1 for
    J = 1) in the decoder, whose blocks end with those. A network without attention leaves it empty.
    """
    found: dict[str, Tensor] = {}
    masks = {
        name: module for name, module in model.named_modules() if isinstance(module, AttentionMask)
    }
    depth = 1 + max((int(name.split(".")[2]) for name in masks), default=0)

    def keep(key: str) -> Any:
        return lambda module, inputs, output: found.__setitem__(key, output.detach())

    hooks = [
        module.register_forward_hook(keep(_readable(name, depth))) for name, module in masks.items()
    ]
    try:
        yield found
    finally:
        for hook in hooks:
            hook.remove()


def _readable(name: str, depth: int) -> str:
    """``attention.TASK.0`` → ``TASK/encoder-1``; decoder blocks are numbered from the deepest.

    >>> _readable("attention.bbox.0", 5), _readable("decoder_attention.edges.0", 5)
    ('bbox/encoder-1', 'edges/decoder-5')
    """
    place, task, number = name.split(".")
    if place == "decoder_attention":
        return f"{task}/decoder-{depth - int(number)}"
    return f"{task}/encoder-{int(number) + 1}"
