"""Batches on their way to another process, and what is made of images once."""

from __future__ import annotations

import pickle
from collections.abc import Callable
from dataclasses import replace
from multiprocessing.reduction import ForkingPickler

import pytest
import torch

from auxseg.types import BY_VALUE, Batch, LabelledImages, Target


def batch(size: int) -> Batch:
    """Two images of this size with a dense and a global target."""
    image = torch.rand(2, 3, size, size)
    targets = {
        "dense": Target(torch.randint(0, 2, (2, size, size), dtype=torch.uint8), torch.ones(2) > 0),
        "global": Target(torch.tensor([[0.1], [float("nan")]]), torch.tensor([True, False])),
    }
    labelled = {name: int(target.present.sum()) for name, target in targets.items()}
    return Batch(
        {"image": image}, {"image": ("dense", "global")}, targets, torch.tensor([7, 9]), labelled
    )


@pytest.mark.parametrize("size", [4, 128])
def test_a_pickled_batch_is_the_same(size: int) -> None:
    sent = batch(size)
    got = pickle.loads(pickle.dumps(sent))
    assert isinstance(got, Batch)
    assert (got.routes, got.labelled) == (sent.routes, sent.labelled)
    assert torch.equal(got.index, sent.index)
    assert torch.equal(got.views["image"], sent.views["image"])
    for name, target in sent.targets.items():
        assert isinstance(got.targets[name], Target)
        torch.testing.assert_close(
            got.targets[name].value, target.value, rtol=0, atol=0, equal_nan=True
        )
        assert torch.equal(got.targets[name].present, target.present)
    got.index[0] = 1  # memory of its own


def test_only_large_tensors_go_through_shared_memory() -> None:
    """What was shared once stays so: the loader's workers pickle with this class."""
    sent = batch(128)
    assert sent.views["image"].nbytes > BY_VALUE
    ForkingPickler.dumps(sent)
    assert sent.views["image"].is_shared()
    assert sent.targets["dense"].value.is_shared()
    small = [sent.index, *(target.present for target in sent.targets.values())]
    assert not any(tensor.is_shared() for tensor in small)


def test_once_makes_once_and_a_changed_copy_starts_anew(
    random_images: Callable[..., LabelledImages],
) -> None:
    images, calls = random_images(), list[int]()

    def make() -> torch.Tensor:
        calls.append(1)
        return images.image + len(calls)

    first = images.once("a", make)
    assert images.once("a", make) is first
    assert len(calls) == 1
    images.once("b", make)
    for copy in (replace(images, image=images.image / 2), images.to(torch.float64)):
        assert copy.once("a", make) is not first
    assert len(calls) == 4
