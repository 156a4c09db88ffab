"""Everything here needs an NVIDIA GPU: `make test-gpu`."""

from __future__ import annotations

import pytest
import torch


@pytest.fixture(autouse=True, scope="session")
def _gpu() -> None:
    if not torch.cuda.is_available():
        pytest.skip("needs an NVIDIA GPU (`make test-gpu`)")
