"""Every architecture in both formats: the file answers as the run does, whatever the size."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from auxseg.config.presets import PRESETS
from auxseg.export.formats import onnx_bytes, torch_bytes, trace
from auxseg.export.network import ShippedNetwork
from auxseg.models import ARCHITECTURES

from .test_network import SIZES, outputs, trained, unlabelled

Run = Callable[[Tensor], dict[str, np.ndarray]]

#: Architecture → a preset of it and what is kept. Between them: grey input of one channel whose
#: asking task is pruned, two views in one file, dense and global outputs.
CASES = {
    "hard-sharing": ("segnet-color", ("segmentation", "classification")),
    "mtan": ("mtan-all", ("segmentation", "colorization")),
    "mtan-full": ("mtan-full-3task", ("segmentation",)),
    "cross-stitch": ("cross-stitch-2task", ("segmentation", "classification")),
    "progressive": ("progressive-2task", ("segmentation", "classification")),
}


FREE = ["batch", 3, "height", "width"]


def onnx_run(
    content: bytes, names: tuple[str, ...], shape: list[str | int] = FREE, said: str = "said"
) -> Run:
    onnx.checker.check_model(onnx.load_model_from_string(content))
    session = onnxruntime.InferenceSession(content)
    assert [output.name for output in session.get_outputs()] == list(names)
    (given,) = session.get_inputs()
    assert (given.name, given.shape) == ("image", shape)
    assert session.get_modelmeta().custom_metadata_map == {"auxseg": said}
    return lambda images: dict(
        zip(names, session.run(None, {"image": images.numpy()}), strict=True)
    )


def torch_run(content: bytes, said: str = "said") -> Run:
    extra = {"auxseg.json": ""}
    program = torch.export.load(io.BytesIO(content), extra_files=extra).module()
    assert extra["auxseg.json"] == said
    return lambda images: {name: one.detach().numpy() for name, one in program(images).items()}


#: Tracing takes seconds. MTAN's files are also tested through the verb (tests/integration).
QUICK = "hard-sharing"


@pytest.mark.parametrize(
    "architecture",
    [pytest.param(name, marks=() if name == QUICK else pytest.mark.slow) for name in ARCHITECTURES],
)
def test_files_answer_as_the_run_does(architecture: str) -> None:
    preset, names = CASES[architecture]
    assert PRESETS[preset].architecture == architecture
    model, views = trained(preset)
    program = trace(ShippedNetwork(model, views, names))
    files = [onnx_run(onnx_bytes(program, "said"), names), torch_run(torch_bytes(program, "said"))]
    for size in SIZES:
        images = unlabelled(*size).image
        expected = outputs(model, views, images)
        for run in files:
            found = run(images)
            assert tuple(found) == names
            for name in names:
                np.testing.assert_allclose(found[name], expected[name], rtol=0, atol=1e-4)
