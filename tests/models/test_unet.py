"""The U-Net decoder: what it joins where, against a plain computation."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from auxseg.models.decoders.unet import UNetDecoder
from auxseg.models.encoders import Level, find_encoder


def levels_of(name: str, height: int = 64, width: int = 96) -> list[Level]:
    torch.manual_seed(0)
    encoder = find_encoder(name)(3, 0.25).eval()
    with torch.no_grad():
        found: list[Level] = encoder(torch.rand(2, 3, height, width))
    return found


@pytest.mark.parametrize("name", ["vgg16", "efficientnet-lite0"])
def test_it_follows_the_publication_block_by_block(name: str) -> None:
    encoder = find_encoder(name)(3, 0.25)
    decoder = UNetDecoder(encoder, 0.25).eval()
    levels = levels_of(name)
    features = levels[-1].next
    finer = [
        level.last for level, stride in zip(levels, encoder.strides, strict=True) if stride < 32
    ]
    with torch.no_grad():
        found = decoder(features, levels)
        for block, skip in zip(decoder.blocks, [*reversed(finer), None], strict=False):
            features = F.interpolate(features, scale_factor=2, mode="nearest")
            features = block(features if skip is None else torch.cat([features, skip], dim=1))
    torch.testing.assert_close(found, features)
    assert found.shape == (2, decoder.out_channels, 64, 96)
    assert len(decoder.blocks) == 5


def test_a_block_enlarges_to_the_size_of_what_it_joins() -> None:
    """Skips of any size: nothing assumes a factor of two."""
    encoder = find_encoder("efficientnet-lite0")(3, 0.25)
    decoder = UNetDecoder(encoder, 0.25).eval()
    sizes = (31, 17, 9, 5, 2)
    levels = [
        Level(*[torch.rand(1, channels, size, size)] * 3)
        for channels, size in zip(encoder.channels, sizes, strict=True)
    ]
    assert decoder(levels[-1].next, levels).shape == (1, decoder.out_channels, 64, 64)


def test_every_level_matters() -> None:
    levels = levels_of("efficientnet-lite0")
    encoder = find_encoder("efficientnet-lite0")(3, 0.25)
    decoder = UNetDecoder(encoder, 0.25).eval()
    with torch.no_grad():
        before = decoder(levels[-1].next, levels)
        for number in range(4):
            changed = list(levels)
            changed[number] = levels[number]._replace(last=levels[number].last + 1)
            assert not torch.allclose(decoder(levels[-1].next, changed), before)
