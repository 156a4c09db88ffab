"""What timm's EfficientNet-Lite0 computes of a fixed image with fixed weights.

Everything is a sine of its position, in double precision: no random numbers, which processors draw
in their own ways, and no file of weights. timm's values are recorded, so that ours can be compared
with them where timm does not import. They are recorded by

    PYTHONPATH=.venv/encoders python -m tests.encoders.lite0_features
"""

from __future__ import annotations

import json
import math
import zlib
from pathlib import Path

import torch
from torch import Tensor

FILE = Path(__file__).parent.parent / "models" / "lite0_features.json"
#: Values of each level that are recorded, evenly spread.
SAMPLES = 24

Record = dict[str, float | list[int] | list[float]]


def waves(shape: torch.Size | tuple[int, ...], phase: float) -> Tensor:
    """float64 of a shape, in [−1, 1], without a period that the shape could share."""
    position = torch.arange(math.prod(shape), dtype=torch.float64)
    return torch.sin(phase + 0.7 * position + 0.1 * torch.sin(position / 3)).reshape(shape)


def image() -> Tensor:
    """(2, 3, 64, 96) in [−1, 1], which is what its weights expect."""
    return waves((2, 3, 64, 96), 0.5)


def weights(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A value for every tensor, by its name and shape, that keeps features at a size of about 1."""
    return {name: _weight(name, value) for name, value in state.items()}


def _weight(name: str, like: Tensor) -> Tensor:
    wave = waves(like.shape, zlib.crc32(name.encode()) % 1000)
    if not like.is_floating_point():
        return like
    if like.dim() == 4:
        return wave * math.sqrt(4 / like[0].numel())
    if name.endswith("running_var"):
        return 1 + wave / 2
    return wave / 4 + (1 if name.endswith("weight") else 0)


def record(levels: list[Tensor]) -> list[Record]:
    """What is kept of each level."""
    found: list[Record] = []
    for level in levels:
        flat = level.detach().flatten()
        places = torch.linspace(0, len(flat) - 1, SAMPLES, dtype=torch.float64).long()
        found.append(
            {
                "shape": list(level.shape),
                "mean": float(flat.mean()),
                "std": float(flat.std()),
                "largest": float(flat.abs().max()),
                "values": flat[places].tolist(),
            }
        )
    return found


def read() -> list[Record]:
    found: list[Record] = json.loads(FILE.read_text(encoding="utf-8"))
    return found


def timm_s() -> list[Record]:
    """What timm computes."""
    import timm

    net = timm.create_model("tf_efficientnet_lite0", features_only=True).double().eval()
    net.load_state_dict(weights(net.state_dict()))
    with torch.no_grad():
        return record(net(image()))


if __name__ == "__main__":
    from .conftest import MISSING

    assert MISSING is None, MISSING
    FILE.write_text(json.dumps(timm_s(), indent=1) + "\n", encoding="utf-8")
