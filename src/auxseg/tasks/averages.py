"""One answer out of several for the same image: probabilities are averaged, not logits.

The result is logits again, so that everything that reads a network's output reads this as well.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def mean_softmax(logits: Sequence[Tensor]) -> Tensor:
    """Logits (N, K, …) whose softmax is the mean of the given ones' softmax."""
    every = torch.stack([one.float().log_softmax(dim=1) for one in logits])
    return every.logsumexp(dim=0) - math.log(len(logits))


def mean_sigmoid(logits: Sequence[Tensor]) -> Tensor:
    """Logits whose sigmoid is the mean of the given ones' sigmoid."""
    yes = torch.stack([F.logsigmoid(one.float()) for one in logits]).logsumexp(dim=0)
    no = torch.stack([F.logsigmoid(-one.float()) for one in logits]).logsumexp(dim=0)
    return yes - no
