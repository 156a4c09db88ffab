"""Attention masks as arrays."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from auxseg.predict.predictor import Prediction


def write_attention_arrays(prediction: Prediction, path: Path) -> None:
    """``TASK/encoder-J`` → float16 (C_J, H_J, W_J) in [0, 1], as a compressed ``.npz``."""
    with path.open("wb") as stream:
        np.savez_compressed(stream, **prediction.attention)  # type: ignore[arg-type]
