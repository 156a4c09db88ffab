"""Which files are published: those that answer as the run does on a whole image, and mostly."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from torch import Tensor

from auxseg.export import check
from auxseg.export.network import ShippedNetwork

from .test_network import trained

Damage = Callable[[Tensor], Tensor]


def nothing(output: Tensor) -> Tensor:
    return output


def a_tie_in_the_large_image(output: Tensor) -> Tensor:
    """A patch moved by rounding, as where two pixels of a pooling window are as good as equal."""
    moved = output.clone()
    if len(output) == 1:
        moved[:, :, :9, :9] += 0.01
    return moved


def a_tie_in_two_of_three(output: Tensor) -> Tensor:
    moved = output.clone()
    moved[1:, :, :9, :9] += 0.01
    return moved


def a_third_of_each_image(output: Tensor) -> Tensor:
    """A fault of the file: it leaves more than half of all values as they are."""
    moved = output.clone()
    moved[..., : output.shape[-1] // 3] += 0.01
    return moved


def a_little_everywhere(output: Tensor) -> Tensor:
    return output + 4 * check.TOLERANCE


@pytest.mark.parametrize(
    ("damage", "published"),
    [
        (nothing, True),
        (a_tie_in_the_large_image, True),
        (a_tie_in_two_of_three, True),
        (a_third_of_each_image, False),
        (a_little_everywhere, False),
    ],
)
def test_a_file_is_published(
    damage: Damage, published: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, views = trained("segnet-1task")
    network = ShippedNetwork(model, views, ("segmentation",))

    def opened(*arguments: Any) -> Callable[[Tensor], Any]:
        def file(images: Tensor) -> Any:
            found = network(images)
            return SimpleNamespace(tasks={name: damage(one) for name, one in found.items()})

        return file

    monkeypatch.setattr(check, "open_exported", opened)
    agreed = check.agreement(Path("file.onnx"), ".onnx", network, model, views, size=64)
    assert bool(agreed) is published, agreed
    assert agreed.exact < 1e-6
    if damage is not nothing:
        assert agreed.largest > check.TOLERANCE
