"""Every architecture in both formats: the file answers as the run does, whatever the size."""

from __future__ import annotations

import io
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from torch import Tensor

from auxseg.config.presets import PRESETS
from auxseg.data.fits import FITS
from auxseg.export.formats import onnx_bytes, torch_bytes, trace
from auxseg.export.network import ShippedNetwork
from auxseg.export.photo import PhotoNetwork
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
    content: bytes,
    names: tuple[str, ...],
    shape: Sequence[str | int] = FREE,
    said: str = "said",
    given: tuple[str, str] = ("image", "float"),
) -> Run:
    onnx.checker.check_model(onnx.load_model_from_string(content))
    session = onnxruntime.InferenceSession(content)
    assert [output.name for output in session.get_outputs()] == list(names)
    (taken,) = session.get_inputs()
    assert (taken.name, taken.type) == (given[0], f"tensor({given[1]})")
    assert taken.shape == shape
    assert session.get_modelmeta().custom_metadata_map == {"auxseg": said}
    return lambda images: dict(
        zip(names, session.run(None, {given[0]: images.numpy()}), strict=True)
    )


def torch_run(content: bytes, said: str = "said") -> Run:
    extra = {"auxseg.json": ""}
    program = torch.export.load(io.BytesIO(content), extra_files=extra).module()
    assert extra["auxseg.json"] == said
    return lambda images: {name: one.detach().numpy() for name, one in program(images).items()}


@pytest.mark.parametrize("fit", ["stretch", "letterbox"])
@pytest.mark.thorough
def test_files_that_take_photos_answer_as_their_network_does(fit: str) -> None:
    model, views = trained("mtan-unet-3task")
    names = ("segmentation", "bbox")
    network = PhotoNetwork(ShippedNetwork(model, views, names, 32), FITS[fit](32))
    program = trace(network)
    content = onnx_bytes(program, "said")
    outputs = ("mask", "box", *names)
    free = ["batch", "height", "width", "channels"]
    files = [
        onnx_run(content, outputs, free, given=("photo", "uint8")),
        torch_run(torch_bytes(program, "said")),
    ]
    (said,) = [
        one for one in onnx.load_model_from_string(content).graph.output if one.name == "mask"
    ]
    shape = [one.dim_param for one in said.type.tensor_type.shape.dim]
    assert shape == ["batch", "height", "width"]
    grey = torch.randint(0, 256, (1, 40, 50, 1), dtype=torch.uint8)
    for run, channels in product(files, (2, 3, 4)):
        found, expected = run(grey), run(grey.expand(-1, -1, -1, channels).contiguous())
        np.testing.assert_array_equal(found["mask"], expected["mask"])
    for run, layout in product(files, ((1, 3, 40, 50), (1, 40, 50, 5))):
        with pytest.raises(Exception, match=r"(?i)out of|guard|bounds"):
            run(torch.zeros(layout, dtype=torch.uint8))
    for size in ((1, 32, 32, 3), (3, 45, 70, 4), (2, 90, 20, 3), (1, 1, 1, 3), (1, 200, 300, 3)):
        draw = torch.Generator().manual_seed(3)
        photos = torch.randint(0, 256, size, generator=draw, dtype=torch.uint8)
        with torch.no_grad():
            expected = network(photos)
        for run in files:
            found = run(photos)
            assert found["mask"].shape == size[:3]
            # A colour that is a half may be rounded up or down.
            assert (found["mask"] != expected["mask"].numpy()).mean() < 0.02
            np.testing.assert_allclose(found["box"], expected["box"], atol=0.02 * max(size[1:3]))
            np.testing.assert_allclose(
                found["segmentation"], expected["segmentation"], rtol=0, atol=0.2
            )


#: Tracing takes seconds. `make test` has MTAN's files, through the verb (tests/integration).
QUICK = "hard-sharing"


@pytest.mark.parametrize(
    "architecture",
    [
        pytest.param(name, marks=pytest.mark.thorough if name == QUICK else pytest.mark.slow)
        for name in ARCHITECTURES
    ],
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
