"""The work that is timed is the work that was asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from auxseg.api import configure
from auxseg.bench import networks
from auxseg.models import MultiTaskModel

TINY = {"weights": "none", "width": 0.05, "image_size": 32, "batch_size": 2}


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[torch.fx.GraphModule]:
    """The graphs that torch.compile makes; they run as they are, without code generation."""
    graphs: list[torch.fx.GraphModule] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Callable[..., Any]:
        graphs.append(graph)
        return graph.forward

    torch._dynamo.reset()
    monkeypatch.setattr(MultiTaskModel, "compile", lambda m: nn.Module.compile(m, backend=backend))
    return graphs


def test_operations_are_counted_before_compiling_and_time_after(
    compiled: list[torch.fx.GraphModule],
) -> None:
    """A network that first runs under torch's counter would never be compiled."""
    config = configure("segnet-1task", **TINY, **{"training.compile": True})
    work = networks.training_step(config, torch.device("cpu"))
    assert not compiled
    work.run()
    assert len(compiled) == 1
    plain = networks.training_step(configure("segnet-1task", **TINY), torch.device("cpu"))
    assert work.flops == plain.flops


@pytest.mark.slow
def test_every_view_is_compiled_for_training_and_for_evaluation(
    compiled: list[torch.fx.GraphModule],
) -> None:
    """Torch leaves off compiling after eight graphs, and these are more."""
    names = ("segmentation", "denoising", "colorization")
    config = configure(
        "segnet-color",
        **TINY,
        **{"tasks.names": names, "tasks.views": "per-task", "training.compile": True},
    )
    tasks = networks.assembly.make_tasks(config, networks.CLASSES)
    views = networks.assembly.make_views(config, tasks)
    model = networks.assembly.make_model(config, tasks)
    networks.assembly.set_up(model, config.training)

    def run() -> None:
        images = torch.rand(2, views.channels, 32, 32)
        model.forward_views(dict.fromkeys(views.routes, images), views.routes)

    model.train()
    run()
    model.eval()
    run()
    with torch.inference_mode():
        run()
    assert len(compiled) == 3 * len(names)
