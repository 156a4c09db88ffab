"""The heads' own layers."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from auxseg.models.heads import GridPool


@pytest.mark.parametrize("side", [*range(1, 10), 16])
def test_grid_pool_is_adaptive_average_pooling(side: int) -> None:
    features = torch.rand(2, 3, side, 7, generator=torch.Generator().manual_seed(0))
    features.requires_grad_()
    expected, found = nn.AdaptiveAvgPool2d(4)(features), GridPool(4)(features)
    torch.testing.assert_close(found, expected, rtol=1e-6, atol=1e-6)
    weights = torch.rand(found.shape, generator=torch.Generator().manual_seed(1))
    gradients = (torch.autograd.grad((one * weights).sum(), features) for one in (found, expected))
    torch.testing.assert_close(*gradients, rtol=1e-6, atol=1e-6)


def test_grid_pool_in_16_bits_leans_to_no_side() -> None:
    """A third is 0.2 % too large in bfloat16, and so would be every mean of three."""
    features = 1 + torch.rand(4, 16, 12, 12, generator=torch.Generator().manual_seed(0))
    with torch.autocast("cpu", torch.bfloat16):
        found = GridPool(4)(features)
    expected = nn.AdaptiveAvgPool2d(4)(features)
    assert float(found.float().mean() / expected.mean()) == pytest.approx(1, abs=1e-3)
