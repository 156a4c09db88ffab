"""Statistics of batch norms that are not to be kept."""

from __future__ import annotations

import torch
from torch import nn

from auxseg.models.norms import keeping_statistics


def test_nothing_that_passes_is_remembered_not_even_an_overflow() -> None:
    norm = nn.BatchNorm2d(2)
    norm(torch.rand(3, 2, 4, 4))
    before = {name: value.clone() for name, value in norm.state_dict().items()}
    with keeping_statistics([norm]):
        norm(torch.full((3, 2, 4, 4), torch.inf))
    for name, value in norm.state_dict().items():
        assert torch.equal(value, before[name]), name
    norm(torch.rand(3, 2, 4, 4))
    assert not torch.equal(norm.running_mean, before["running_mean"])  # type: ignore[arg-type]
