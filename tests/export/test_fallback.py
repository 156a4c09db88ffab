"""A network that no graph of any size can express is written for one size, or not at all."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor

from auxseg.errors import AuxsegError
from auxseg.export import formats
from auxseg.export.network import ShippedNetwork

from .test_formats import onnx_run, torch_run
from .test_network import outputs, trained, unlabelled

SIZE = 40


class Branching(ShippedNetwork):
    """Goes another way where images are large."""

    def forward(self, image: Tensor) -> dict[str, Tensor]:
        if image.shape[-1] > 100:
            image = image.flip(-1)
        return super().forward(image)


@pytest.mark.parametrize("format", ["onnx", "torch"])
@pytest.mark.thorough
def test_it_is_written_for_the_run_s_own_size_and_any_batch(format: str) -> None:
    model, views = trained("unet-1task")
    network, said, content = formats.content(
        Path("file"),
        format,
        (Branching(model, views, ("segmentation",), size) for size in (None, SIZE)),
        lambda network: {"only": network.size},
    )
    assert (network.size, said) == (SIZE, {"only": SIZE})
    said_in_file = '{"only": 40}'
    run = (
        onnx_run(content, ("segmentation",), ["batch", 3, SIZE, SIZE], said_in_file)
        if format == "onnx"
        else torch_run(content, said_in_file)
    )
    for count in (1, 3):
        images = unlabelled(count, SIZE, SIZE).image
        expected = outputs(model, views, images)["segmentation"]
        assert float(expected.abs().max()) > 1e-3
        np.testing.assert_allclose(run(images)["segmentation"], expected, rtol=0, atol=1e-4)


@pytest.mark.thorough
def test_others_are_written_for_any_size() -> None:
    model, views = trained("unet-1task")
    made = (ShippedNetwork(model, views, ("segmentation",), size) for size in (None, SIZE))
    network, said, _ = formats.content(
        Path("file"), "torch", made, lambda network: {"o": network.size}
    )
    assert (network.size, said) == (None, {"o": None})


def test_what_a_format_cannot_express_is_one_line_with_the_cause(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refuse(program: torch.export.ExportedProgram, metadata: str) -> bytes:
        try:
            raise AssertionError("only 4D query\nand more of it")
        except AssertionError as error:
            raise RuntimeError("Create an error report") from error

    monkeypatch.setitem(formats.FORMATS, "onnx", refuse)
    model, views = trained("unet-1task")
    network = ShippedNetwork(model, views, ("segmentation",), SIZE)
    with pytest.raises(AuxsegError) as caught:
        formats.content(Path("file.onnx"), "onnx", [network], lambda network: {})
    assert str(caught.value).startswith("file.onnx: ")
    assert "(only 4D query)" in str(caught.value)
    assert "\n" not in str(caught.value)
