"""What every architecture and every preset promises, over their dicts."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F

from auxseg.api import configure
from auxseg.assembly import make_model as build_model
from auxseg.assembly import make_tasks, make_views
from auxseg.config.presets import PRESETS
from auxseg.models import ARCHITECTURES, MultiTaskModel
from auxseg.tasks import completed, masked_mean
from auxseg.types import ClassNames, LabelledImages

Make = Callable[..., MultiTaskModel]
Adapt = Callable[[MultiTaskModel], MultiTaskModel]


def random_image(count: int, height: int, width: int) -> torch.Tensor:
    return torch.rand(count, 3, height, width, generator=torch.Generator().manual_seed(1))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("size", [(32, 32), (50, 70), (33, 31), (9, 64)])
def test_output_shapes_at_any_size(
    architecture: str, size: tuple[int, int], make_model: Make
) -> None:
    model = make_model(architecture).eval()
    outputs = model(random_image(2, *size))
    assert {name: tuple(output.shape) for name, output in outputs.items()} == {
        "segmentation": (2, 2, *size),
        "classification": (2, 3),
        "bbox": (2, 4),
        "edges": (2, 1, *size),
    }
    assert model.dense == ("segmentation", "edges")


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("names", [("segmentation",), ("bbox",), ("classification", "bbox")])
def test_any_subset_of_heads_is_enough(
    architecture: str, names: tuple[str, ...], make_model: Make
) -> None:
    outputs = make_model(architecture, names).eval()(random_image(1, 32, 32))
    assert tuple(outputs) == names


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_image_of_the_smallest_size_can_be_trained_on(
    architecture: str, make_model: Make
) -> None:
    # A lateral's batch norm reads the encoder's output, and needs more than one pixel of it.
    side = 64 if architecture == "progressive" else 32
    outputs = make_model(architecture).train()(random_image(1, side, side))
    assert all(bool(torch.isfinite(output).all()) for output in outputs.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_an_image_s_output_does_not_depend_on_its_batch(
    architecture: str, make_model: Make, trained_norms: Adapt
) -> None:
    model = trained_norms(make_model(architecture))
    images = random_image(3, 50, 70)
    with torch.no_grad():
        together, alone = model(images), [model(images[i : i + 1]) for i in range(3)]
    for name, output in together.items():
        assert float(output.std()) > 0
        torch.testing.assert_close(output, torch.cat([one[name] for one in alone]))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_padding_is_cropped_away(architecture: str, make_model: Make, trained_norms: Adapt) -> None:
    """An image continued by its own edge is what the network sees anyway."""
    model = trained_norms(make_model(architecture))
    image = random_image(1, 50, 70)
    padded = torch.nn.functional.pad(image, (0, 26, 0, 14), mode="replicate")
    with torch.no_grad():
        small, large = model(image), model(padded)
    for name in model.dense:
        torch.testing.assert_close(small[name], large[name][..., :50, :70])


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_state_round_trip(architecture: str, make_model: Make, trained_norms: Adapt) -> None:
    model = trained_norms(make_model(architecture))
    other = make_model(architecture, seed=1).eval()
    image = random_image(1, 64, 64)
    with torch.no_grad():
        before = model(image)
        assert not torch.equal(other(image)["bbox"], before["bbox"])
        other.load_state_dict(model.state_dict())
        after = other(image)
    assert all(torch.equal(before[name], after[name]) for name in before)


@pytest.mark.parametrize("preset", PRESETS)
def test_every_parameter_of_every_preset_learns(
    preset: str, random_images: Callable[..., LabelledImages]
) -> None:
    config = configure(preset, width=0.0625, weights="none")
    tasks = make_tasks(config, ClassNames(("background", "animal"), ("cat", "dog")))
    model = build_model(config, tasks).train()
    images = random_images(count=4, size=64)
    views = make_views(config, tasks)
    batch = views.batch(images, seed=0)
    predictions = model.forward_views(batch.views, views.routes)
    sure = 9 * F.one_hot(images.mask.long(), 2).permute(0, 3, 1, 2)
    targets = completed(tasks, batch.targets, sure)
    losses = []
    for name, task in tasks.items():
        target = targets[name]
        losses.append(masked_mean(task.loss(predictions[name], target.value), target.present))
    torch.stack(losses).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert bool(torch.isfinite(parameter.grad).all()), name
        assert float(parameter.grad.abs().sum()) > 0, name


@pytest.mark.parametrize("preset", PRESETS)
def test_every_preset_names_an_architecture_and_starts_with_segmentation(preset: str) -> None:
    assert PRESETS[preset].architecture in ARCHITECTURES
    assert PRESETS[preset].tasks[0] == "segmentation"
    assert len(set(PRESETS[preset].tasks)) == len(PRESETS[preset].tasks)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_grey_images_of_one_channel_train(architecture: str, make_model: Make) -> None:
    model = make_model(architecture, in_channels=1).train()
    image = torch.rand(2, 1, 40, 40, generator=torch.Generator().manual_seed(1))
    outputs = model(image)
    assert outputs["segmentation"].shape == (2, 2, 40, 40)
    torch.stack([output.square().mean() for output in outputs.values()]).sum().backward()
    first = model.encoder.layers()[0].get_parameter("0.weight")
    assert first.shape[1] == 1
    assert first.grad is not None
    assert float(first.grad.abs().sum()) > 0


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_number_of_input_channels_changes_the_first_convolution_alone(
    architecture: str, make_model: Make
) -> None:
    """Systems of one seed share all they have in common, whatever they look at."""
    grey, rgb = (make_model(architecture, in_channels=count).state_dict() for count in (1, 3))
    assert grey.keys() == rgb.keys()
    differ = {name for name in grey if not torch.equal(grey[name], rgb[name])}
    assert differ == {
        name
        for name in rgb
        if re.fullmatch(r"(encoder|further\.of_\w+)\.blocks\.0\.0\.0\.weight", name)
    }


def test_grey_is_normalised_by_the_mean_of_rgb(make_model: Make) -> None:
    model = make_model("hard-sharing", ("bbox",), in_channels=1)
    image = torch.rand(1, 1, 32, 32, generator=torch.Generator().manual_seed(1))
    expected = (image - (0.485 + 0.456 + 0.406) / 3) / ((0.229 + 0.224 + 0.225) / 3)
    torch.testing.assert_close(model.prepare(image), expected)
