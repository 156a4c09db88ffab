"""Which parameters learn at which rate."""

from __future__ import annotations

import pytest
import torch

from auxseg.api import configure
from auxseg.assembly import make_balancer, make_model, make_tasks
from auxseg.training.optimizer import make_optimizer
from auxseg.types import ClassNames

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


def rates(**options: object) -> dict[str, tuple[float, float]]:
    """Parameter name → (learning rate, weight decay)."""
    config = configure("unet-3task", width=0.1, weights="none", **options)
    tasks = make_tasks(config, CLASSES)
    model = make_model(config, tasks)
    optimizer = make_optimizer(model, make_balancer(config, tasks), config.training)
    group_of = {
        id(parameter): (group["lr"], group["weight_decay"])
        for group in optimizer.param_groups
        for parameter in group["params"]
    }
    names = dict(model.named_parameters())
    assert len(group_of) == sum(len(group["params"]) for group in optimizer.param_groups)
    return {name: group_of[id(one)] for name, one in names.items() if id(one) in group_of}


@pytest.mark.parametrize("factor", [1.0, 0.25])
def test_the_encoder_learns_at_a_multiple_of_the_rate(factor: float) -> None:
    found = rates(**{"training.lr": 1e-3, "training.encoder_lr": factor})
    for name, (rate, _) in found.items():
        assert rate == pytest.approx(1e-3 * (factor if name.startswith("encoder.") else 1)), name


def test_weights_decay_and_norms_and_biases_do_not() -> None:
    for name, (_, decay) in rates(**{"training.encoder_lr": 0.5}).items():
        kernel = name.endswith("weight") and ("conv" in name or ".0.weight" in name)
        assert (decay > 0) or not kernel, name
        if name.endswith("bias"):
            assert decay == 0


def test_what_is_frozen_is_not_updated() -> None:
    names = set(rates(**{"model.freeze": True}))
    assert names
    assert not any(name.startswith("encoder.") for name in names)
    assert torch.tensor([name.startswith(("decoders.", "heads.")) for name in names]).all()
