"""Unconflicting projection of gradients (Quinton and Rey 2024, UPGrad)."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

import numpy as np
import torch
from scipy.optimize import nnls
from torch import Tensor, nn

from auxseg.balancing.gradients import TorchJDBalancer


class UPGrad(TorchJDBalancer):
    """The mean of the tasks' gradients after each was projected to where no task gets worse.

    The projection onto the dual cone of all gradients is solved as non-negative least squares, by
    SciPy: torchjd's own solver, quadprog, is under the GPL.
    """

    def __init__(self, weights: Mapping[str, float], regression: Collection[str] = ()) -> None:
        super().__init__(weights, regression, _make)


def _make(aggregation: Any) -> nn.Module:
    from torchjd.linalg import DualConeProjector

    class Projector(DualConeProjector):
        def __call__(self, U: Tensor, G: Tensor) -> Tensor:  # noqa: N803 - torchjd's names
            gramian = G.detach().cpu().double().numpy()
            rows = [project(gramian, u) for u in U.detach().cpu().double().numpy()]
            return torch.as_tensor(np.stack(rows), device=G.device, dtype=G.dtype)

    method: nn.Module = aggregation.UPGrad(projector=Projector())
    return method


def project(gramian: np.ndarray, u: np.ndarray) -> np.ndarray:
    """argmin vᵀGv over v ≥ u (Proposition 1), float64: the weights of a projected gradient.

    With G = AᵀA and v = u + x it is the least-squares problem A x ≈ −A u, x ≥ 0. A task without a
    gradient keeps its share.
    """
    there = np.diag(gramian) > 0
    lengths = np.sqrt(np.diag(gramian)[there])
    # In units of each gradient's length, so that short ones count as much as long ones.
    values, vectors = np.linalg.eigh(gramian[np.ix_(there, there)] / np.outer(lengths, lengths))
    root = np.sqrt(np.clip(values, 0, None))[:, None] * vectors.T
    projected = u.copy()
    projected[there] += nnls(root, -root @ (lengths * u[there]))[0] / lengths
    return projected
