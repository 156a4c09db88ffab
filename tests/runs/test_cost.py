"""What a system costs, counted without running it, against the real network."""

from __future__ import annotations

import pytest
import torch
from torch.utils.flop_counter import FlopCounterMode

from auxseg.api import configure
from auxseg.assembly import make_model, make_tasks, make_views
from auxseg.config.presets import PRESETS
from auxseg.runs.cost import cost, count_parameters
from auxseg.types import ClassNames, LabelledImages

CLASSES = ClassNames(("background", "animal"), ("cat", "dog"))


@pytest.mark.parametrize("preset", PRESETS)
def test_counts_equal_those_of_the_real_network(preset: str) -> None:
    config = configure(preset, weights="none", width=0.0625, image_size=40, batch_size=3)
    tasks = make_tasks(config, CLASSES)
    model = make_model(config, tasks)
    views = make_views(config, tasks)
    images = views(LabelledImages.without_labels(torch.rand(3, 3, 40, 40)))
    with FlopCounterMode(display=False) as counter:
        model.forward_views(images, views.routes)
    parameters = sum(parameter.numel() for parameter in model.parameters())
    counted = cost(config, CLASSES)
    assert counted.parameters == parameters == count_parameters(config, CLASSES)
    assert counted.flops == counter.get_total_flops() // 3


def test_the_costs_that_the_design_states() -> None:
    """Forward passes at 256×256 in GFLOP: SegNet 85, MTAN with three tasks 209, with four 295."""
    expected = {"segnet-1task": 85, "mtan-3task": 209, "mtan-canny": 295}
    for preset, gigaflops in expected.items():
        config = configure(preset, weights="none", image_size=256)
        assert cost(config, CLASSES).flops / 1e9 == pytest.approx(gigaflops, abs=0.5)


def test_unlabelled_images_cost_no_flops_per_image() -> None:
    small = {"weights": "none", "width": 0.1, "image_size": 32}
    alone = cost(configure("mtan-all", **small), CLASSES)
    both = cost(configure("mtan-all", **small, unlabelled="x"), CLASSES)
    assert both.flops == alone.flops
