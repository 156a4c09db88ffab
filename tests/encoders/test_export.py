"""A network over every kind of encoder answers from its ONNX file as it does itself."""

from __future__ import annotations

from pathlib import Path

import onnxruntime
import pytest
import torch

from auxseg.api import configure
from auxseg.assembly import make_tasks, make_views
from auxseg.export.check import TOLERANCE
from auxseg.export.formats import content
from auxseg.export.network import ShippedNetwork
from auxseg.models import MultiTaskModel
from auxseg.models.heads import DenseHead
from auxseg.tasks import Views
from auxseg.types import ClassNames

from .models import KINDS, image, make

SIZE = 64

#: One architecture each.
ARCHITECTURES = {
    "resnet18": "cross-stitch",
    "mobilenetv4_conv_small": "mtan",
    "convnextv2_atto": "progressive",
}


def trained(name: str) -> tuple[MultiTaskModel, Views]:
    """A network as after training: norms with statistics, a head whose weights matter."""
    model = make(name, ARCHITECTURES.get(name, "hard-sharing"))
    draw = torch.Generator().manual_seed(1)
    for module in model.modules():
        if isinstance(module, DenseHead):
            torch.nn.init.normal_(module.weight, std=0.1, generator=draw)
    with torch.no_grad():
        model.train()(image(4, SIZE, SIZE))
    config = configure("unet-1task", weights="none")
    tasks = make_tasks(config, ClassNames(("background", "animal"), ("cat", "dog")))
    return model.eval(), make_views(config, tasks)


def exported(name: str) -> tuple[MultiTaskModel, ShippedNetwork, bytes]:
    model, views = trained(name)
    network, _, found = content(
        Path("file.onnx"),
        "onnx",
        (ShippedNetwork(model, views, ("segmentation",), size) for size in (None, SIZE)),
        lambda network: {"only": network.size},
    )
    return model, network, found


@pytest.mark.parametrize("name", [name for name in KINDS if KINDS[name].free is not None])
def test_every_value_of_the_file_is_the_network_s(
    name: str, capfd: pytest.CaptureFixture[str]
) -> None:
    model, network, found = exported(name)
    assert network.size == (None if KINDS[name].free else SIZE)
    assert capfd.readouterr() == ("", "")
    session = onnxruntime.InferenceSession(found)
    sides = ["height", "width"] if KINDS[name].free else [SIZE, SIZE]
    assert session.get_inputs()[0].shape == ["batch", 3, *sides]
    for shape in ((1, SIZE, SIZE), (3, SIZE, SIZE), (2, 45, 70))[: 3 if KINDS[name].free else 2]:
        given = image(*shape)
        with torch.no_grad():
            expected = model(given)["segmentation"]
        (answer,) = session.run(None, {"image": given.numpy()})
        scale = max(1.0, float(expected.abs().max()))
        assert float(expected.abs().max()) > 0.1
        assert float((torch.from_numpy(answer) - expected).abs().max()) <= TOLERANCE * scale
