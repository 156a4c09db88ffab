"""AdamW and its learning rate over the steps."""

from __future__ import annotations

import math
from collections.abc import Set
from typing import Any

import torch
from torch import nn

from auxseg.balancing import Balancer
from auxseg.balancing.learned import LearnedBalancer
from auxseg.config import TrainingConfig
from auxseg.models import MultiTaskModel


def make_optimizer(
    model: MultiTaskModel, balancer: Balancer, config: TrainingConfig
) -> torch.optim.Optimizer:
    """AdamW (Loshchilov and Hutter 2019), decaying weights of convolutions and linear layers only.

    What a balancer learns has a group of its own, with its own multiple of the rate; so have the
    encoders, where ``training.encoder_lr`` is not 1. One fused kernel updates everything: three to
    four times as fast as a kernel per operation.
    """
    groups = _groups(model, set(), config)
    if config.encoder_lr != 1:
        encoders = {
            parameter
            for encoder in model.encoders
            for module in encoder.pretrained()
            for parameter in module.parameters()
        }
        groups = _groups(model, encoders, config)
        for group in _groups(model, set(model.parameters()) - encoders, config):
            groups.append({**group, "lr": config.lr * config.encoder_lr})
    if isinstance(balancer, LearnedBalancer):
        learned = list(balancer.parameters())
        rate = config.lr * balancer.lr_factor
        groups.append({"params": learned, "weight_decay": 0.0, "lr": rate})
    # Under 16-mixed the fused kernel would take the losses' scale out of the gradients itself,
    # after they were clipped.
    fused = config.precision != "16-mixed"
    return torch.optim.AdamW(groups, lr=config.lr, fused=fused)


def _groups(
    model: nn.Module, without: Set[nn.Parameter], config: TrainingConfig
) -> list[dict[str, Any]]:
    """The trainable parameters, those that decay first."""
    decaying = {
        module.weight for module in model.modules() if isinstance(module, (nn.Conv2d, nn.Linear))
    }
    parameters = [p for p in model.parameters() if p.requires_grad and p not in without]
    return [
        {
            "params": [p for p in parameters if p in decaying],
            "weight_decay": config.weight_decay,
        },
        {"params": [p for p in parameters if p not in decaying], "weight_decay": 0.0},
    ]


def make_schedule(
    optimizer: torch.optim.Optimizer, config: TrainingConfig, total_steps: int
) -> torch.optim.lr_scheduler.LambdaLR:
    """Linear warm-up, then a half cosine down to zero at the last step."""
    warmup = max(1, round(config.warmup * total_steps))

    def factor(step: int) -> float:
        if step < warmup:
            return (step + 1) / warmup
        progress = (step - warmup) / max(1, total_steps - warmup)
        return 0.5 * (1 + math.cos(math.pi * min(1.0, progress)))

    return torch.optim.lr_scheduler.LambdaLR(optimizer, factor)
