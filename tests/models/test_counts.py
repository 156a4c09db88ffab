"""Parameters counted by hand, and the cost of a forward pass, at full width."""

from __future__ import annotations

import torch
from torch.utils.flop_counter import FlopCounterMode

from auxseg.assembly import connect
from auxseg.config import ModelConfig
from auxseg.models import MultiTaskModel
from auxseg.types import HeadSpec

SEGMENTATION = {"segmentation": HeadSpec("dense", 2)}
THREE = SEGMENTATION | {
    "classification": HeadSpec("global", 2),
    "bbox": HeadSpec("global", 4),
}


def conv(kernel: int, channels_in: int, channels_out: int) -> int:
    """A convolution without bias and the scale and shift of the batch norm behind it."""
    return kernel**2 * channels_in * channels_out + 2 * channels_out


ENCODER = (
    (conv(3, 3, 64) + conv(3, 64, 64))
    + (conv(3, 64, 128) + conv(3, 128, 128))
    + (conv(3, 128, 256) + 2 * conv(3, 256, 256))
    + (conv(3, 256, 512) + 2 * conv(3, 512, 512))
    + 3 * conv(3, 512, 512)
)
DECODER = (
    3 * conv(3, 512, 512)
    + (2 * conv(3, 512, 512) + conv(3, 512, 256))
    + (2 * conv(3, 256, 256) + conv(3, 256, 128))
    + (conv(3, 128, 128) + conv(3, 128, 64))
    + 2 * conv(3, 64, 64)
)
#: The mask of one task in each block: [u_j ; f_{j-1}] → C_j → C_j.
ATTENTION = (
    (conv(1, 64, 64) + conv(1, 64, 64))
    + (conv(1, 128 + 128, 128) + conv(1, 128, 128))
    + (conv(1, 256 + 256, 256) + conv(1, 256, 256))
    + 2 * (conv(1, 512 + 512, 512) + conv(1, 512, 512))
)
OUTER = (
    conv(3, 64, 128) + conv(3, 128, 256) + conv(3, 256, 512) + conv(3, 512, 512)
    + conv(3, 512, 512)
)  # fmt: skip
#: Decoder blocks of MTAN as published: [unpooled ; outer] → C_{j-1} → C_{j-1}.
DECODER_ATTENTION = (
    (conv(1, 512 + 512, 512) + conv(1, 512, 512))
    + (conv(1, 512 + 256, 256) + conv(1, 256, 256))
    + (conv(1, 256 + 128, 128) + conv(1, 128, 128))
    + (conv(1, 128 + 64, 64) + conv(1, 64, 64))
    + (conv(1, 64 + 64, 64) + conv(1, 64, 64))
)
DECODER_OUTER = (
    conv(3, 512, 512) + conv(3, 512, 256) + conv(3, 256, 128) + conv(3, 128, 64) + conv(3, 64, 64)
)
SEGMENTATION_HEAD = 3**2 * 64 * 2 + 2
#: 4×4 cells of 512 channels → 512 → the output, each with a bias.
CLASS_HEAD = (4 * 4 * 512 * 512 + 512) + (512 * 2 + 2)
BOX_HEAD = (4 * 4 * 512 * 512 + 512) + (512 * 4 + 4)


def on_meta(architecture: str, specs: dict[str, HeadSpec]) -> MultiTaskModel:
    with torch.device("meta"):
        return connect(ModelConfig(architecture=architecture), specs)


def parameters(architecture: str, specs: dict[str, HeadSpec]) -> int:
    return sum(one.numel() for one in on_meta(architecture, specs).parameters())


def test_encoder_is_vgg16() -> None:
    """VGG-16's convolutions have 14,714,688 parameters, 4,224 of them biases."""
    norms = 2 * 4_224
    assert 14_714_688 - 4_224 + norms == ENCODER


def test_parameters_of_segnet_with_one_task() -> None:
    assert parameters("hard-sharing", SEGMENTATION) == ENCODER + DECODER + SEGMENTATION_HEAD


def test_parameters_of_segnet_with_three_tasks() -> None:
    heads = SEGMENTATION_HEAD + CLASS_HEAD + BOX_HEAD
    assert parameters("hard-sharing", THREE) == ENCODER + DECODER + heads


def test_parameters_of_mtan_with_three_tasks() -> None:
    heads = SEGMENTATION_HEAD + CLASS_HEAD + BOX_HEAD
    trunk = ENCODER + OUTER + DECODER
    assert parameters("mtan", THREE) == trunk + 3 * ATTENTION + heads


def test_parameters_of_mtan_as_published_with_three_tasks() -> None:
    heads = SEGMENTATION_HEAD + CLASS_HEAD + BOX_HEAD
    trunk = ENCODER + OUTER + DECODER + DECODER_OUTER
    assert parameters("mtan-full", THREE) == trunk + 3 * ATTENTION + DECODER_ATTENTION + heads


def gigaflops(architecture: str, specs: dict[str, HeadSpec]) -> float:
    model = on_meta(architecture, specs).eval()
    with FlopCounterMode(display=False) as counter:
        model(torch.empty(1, 3, 256, 256, device="meta"))
    return counter.get_total_flops() / 1e9


def test_forward_cost_of_segnet() -> None:
    assert round(gigaflops("hard-sharing", SEGMENTATION)) == 85


def test_forward_cost_of_mtan_with_three_tasks() -> None:
    assert round(gigaflops("mtan", THREE)) == 209


def test_forward_cost_of_mtan_with_a_second_dense_task() -> None:
    four = THREE | {"edges": HeadSpec("dense", 1)}
    assert round(gigaflops("mtan", four)) == 295
