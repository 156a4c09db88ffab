"""VGG-16's weights: every published form loads, and calibration computes VGG's own features."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file
from torch import Tensor

from auxseg.errors import DataError
from auxseg.models.encoders.vgg16 import VGG16
from auxseg.models.encoders.vgg16_weights import convolution_keys
from auxseg.models.weights import read_state, write_state

#: torchvision's numbers of the convolutions in vgg16 and vgg16_bn, block by block.
PLAIN = ((0, 2), (5, 7), (10, 12, 14), (17, 19, 21), (24, 26, 28))
BN = ((0, 3), (7, 10), (14, 17, 20), (24, 27, 30), (34, 37, 40))

WIDTH = 0.0625
CHANNELS = (4, 8, 16, 32, 32)

State = dict[str, Tensor]


def load(encoder: VGG16, path: Path, grey: str = "skip") -> bool:
    """Loads a file; whether batch norms are still to be calibrated: of the plain form alone."""
    return encoder.load(read_state(path), path, grey)


def random_state(numbers: tuple[tuple[int, ...], ...], norms: bool) -> State:
    """A VGG-16 of width 1/16 with weights, biases and, if asked for, batch norms of its own."""
    draw = torch.Generator().manual_seed(0)
    state: State = {}
    channels_in = 3
    for block, channels in zip(numbers, CHANNELS, strict=True):
        for number in block:
            shape = (channels, channels_in, 3, 3)
            scale = (2 / (9 * channels_in)) ** 0.5
            state[f"features.{number}.weight"] = scale * torch.randn(shape, generator=draw)
            state[f"features.{number}.bias"] = 0.3 * torch.randn(channels, generator=draw)
            if norms:
                name = f"features.{number + 1}"
                state[f"{name}.weight"] = 0.5 + torch.rand(channels, generator=draw)
                state[f"{name}.bias"] = 0.3 * torch.randn(channels, generator=draw)
                state[f"{name}.running_mean"] = 0.3 * torch.randn(channels, generator=draw)
                state[f"{name}.running_var"] = 0.5 + torch.rand(channels, generator=draw)
                state[f"{name}.num_batches_tracked"] = torch.tensor(7)
            channels_in = channels
    # The classifier, which the encoder has not.
    state["classifier.0.weight"] = torch.randn(5, 7, generator=draw)
    return state


def vgg_features(state: State, numbers: tuple[tuple[int, ...], ...], image: Tensor) -> list[Tensor]:
    """Plain VGG-16 without a class of ours: the features at the end of each block."""
    found = []
    for block in numbers:
        for number in block:
            name = f"features.{number}"
            image = F.conv2d(image, state[f"{name}.weight"], state[f"{name}.bias"], padding=1)
            norm = f"features.{number + 1}"
            if f"{norm}.running_mean" in state:
                image = F.batch_norm(
                    image, state[f"{norm}.running_mean"], state[f"{norm}.running_var"],
                    state[f"{norm}.weight"], state[f"{norm}.bias"],
                )  # fmt: skip
            image = F.relu(image)
        found.append(image)
        image = F.max_pool2d(image, 2)
    return found


def image(seed: int = 0) -> Tensor:
    return torch.randn(2, 3, 64, 64, generator=torch.Generator().manual_seed(seed))


def distance(encoder: VGG16, expected: list[Tensor], picture: Tensor) -> float:
    """The largest relative error over the blocks."""
    with torch.no_grad():
        levels = encoder.eval()(picture)
    return max(
        float((level.last - features).norm() / features.norm())
        for level, features in zip(levels, expected, strict=True)
    )


SAVERS: dict[str, Callable[[State, Path], Any]] = {
    "vgg.pth": torch.save,
    "vgg.safetensors": save_file,
    "wrapped.pt": lambda state, path: torch.save({"state_dict": state}, path),
}


@pytest.fixture
def plain_file(tmp_path: Path) -> Path:
    path = tmp_path / "plain.safetensors"
    save_file(random_state(PLAIN, norms=False), path)
    return path


def test_key_numbers_are_torchvision_s() -> None:
    assert convolution_keys("plain") == [number for block in PLAIN for number in block]
    assert convolution_keys("bn") == [number for block in BN for number in block]


@pytest.mark.parametrize("name", SAVERS)
def test_plain_weights_load_from_every_format(name: str, tmp_path: Path) -> None:
    state = random_state(PLAIN, norms=False)
    SAVERS[name](state, tmp_path / name)
    encoder = VGG16(width=WIDTH)
    assert load(encoder, tmp_path / name)
    numbers = convolution_keys("plain")
    for number, layer in zip(numbers, encoder.layers(), strict=True):
        assert torch.equal(layer.get_parameter("0.weight"), state[f"features.{number}.weight"])


def test_calibrated_plain_weights_compute_vgg_s_features(plain_file: Path) -> None:
    encoder = VGG16(width=WIDTH)
    load(encoder, plain_file)
    expected = vgg_features(load_file(plain_file), PLAIN, image())
    encoder.calibrate([image(1), image(2)])
    assert distance(encoder, expected, image()) < 1e-3


def test_calibration_holds_in_training_too(plain_file: Path) -> None:
    """In training a norm takes the batch's own statistics: of the calibration batch the same.

    Without calibration it takes the features' scale away.
    """
    expected = vgg_features(load_file(plain_file), PLAIN, image())
    errors = []
    for batches in ([], [image()]):
        encoder = VGG16(width=WIDTH)
        load(encoder, plain_file)
        if batches:
            encoder.calibrate(batches)
        with torch.no_grad():
            last = encoder.train()(image())[-1].last
        errors.append(float((last - expected[-1]).norm() / expected[-1].norm()))
    assert errors[0] > 0.1
    assert errors[1] < 1e-3


def test_batch_norm_variant_computes_vgg_bn_s_features(tmp_path: Path) -> None:
    """Its convolutions have a bias; ours have none."""
    path, state = tmp_path / "bn.pth", random_state(BN, norms=True)
    torch.save(state, path)
    encoder = VGG16(width=WIDTH)
    assert not load(encoder, path)
    assert distance(encoder, vgg_features(state, BN, image()), image()) < 1e-5


def test_float16_is_read_as_float32(tmp_path: Path) -> None:
    state = random_state(PLAIN, norms=False)
    save_file({name: value.half() for name, value in state.items()}, tmp_path / "a.safetensors")
    encoder = VGG16(width=WIDTH)
    load(encoder, tmp_path / "a.safetensors")
    weight = encoder.layers()[0].get_parameter("0.weight")
    assert weight.dtype == torch.float32
    assert torch.equal(weight, state["features.0.weight"].half().float())


def test_saved_encoder_loads_as_it_was(tmp_path: Path, plain_file: Path) -> None:
    encoder, other = VGG16(width=WIDTH), VGG16(width=WIDTH)
    load(encoder, plain_file)
    encoder.calibrate([image()])
    write_state(tmp_path / "own.safetensors", encoder.published(), {"source": "a test"})
    assert not load(other, tmp_path / "own.safetensors")
    with torch.no_grad():
        expected = [level.last for level in encoder.eval()(image())]
    assert distance(other, expected, image()) == 0


# -- input of one channel -------------------------------------------------------------------------

FORMS: dict[str, tuple[tuple[tuple[int, ...], ...], bool]] = {
    "plain": (PLAIN, False),
    "bn": (BN, True),
}


@pytest.fixture(params=FORMS)
def form(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Path, State]:
    """A variant's name, its file for RGB input, and what the file holds."""
    numbers, norms = FORMS[request.param]
    state = random_state(numbers, norms)
    save_file(state, tmp_path / "vgg.safetensors")
    return request.param, tmp_path / "vgg.safetensors", state


def first_layer(encoder: VGG16) -> State:
    return {name: value.clone() for name, value in encoder.layers()[0].state_dict().items()}


def test_skipped_grey_leaves_the_first_layer_as_drawn(form: tuple[str, Path, State]) -> None:
    variant, path, state = form
    encoder = VGG16(in_channels=1, width=WIDTH)
    before = first_layer(encoder)
    assert load(encoder, path, "skip") is (variant == "plain")
    after = first_layer(encoder)
    assert all(torch.equal(after[name], before[name]) for name in before)
    numbers = [n for block in FORMS[variant][0] for n in block]
    for number, layer in list(zip(numbers, encoder.layers(), strict=True))[1:]:
        assert torch.equal(layer.get_parameter("0.weight"), state[f"features.{number}.weight"])


def test_skipping_is_the_default(form: tuple[str, Path, State]) -> None:
    encoders = [VGG16(in_channels=1, width=WIDTH) for _ in range(2)]
    encoders[1].load_state_dict(encoders[0].state_dict())
    load(encoders[0], form[1])
    load(encoders[1], form[1], "skip")
    for a, b in zip(encoders[0].parameters(), encoders[1].parameters(), strict=True):
        assert torch.equal(a, b)


def test_summed_grey_sees_what_equal_red_green_and_blue_show(
    form: tuple[str, Path, State],
) -> None:
    variant, path, state = form
    grey, rgb = VGG16(in_channels=1, width=WIDTH), VGG16(width=WIDTH)
    assert load(grey, path, "sum") is (variant == "plain")
    load(rgb, path)
    weight = grey.layers()[0].get_parameter("0.weight")
    torch.testing.assert_close(weight, state["features.0.weight"].sum(dim=1, keepdim=True))
    picture = image()[:, :1]
    with torch.no_grad():
        pairs = zip(grey.eval()(picture), rgb.eval()(picture.expand(-1, 3, -1, -1)), strict=True)
        for found, expected in pairs:
            torch.testing.assert_close(found.last, expected.last, atol=1e-4, rtol=1e-4)
        other = [level.last for level in grey(image()[:, 1:2])]
    assert distance(rgb, other, picture.expand(-1, 3, -1, -1)) > 0.01


def test_rgb_input_knows_no_grey(form: tuple[str, Path, State]) -> None:
    skip, sum_ = VGG16(width=WIDTH), VGG16(width=WIDTH)
    load(skip, form[1], "skip")
    load(sum_, form[1], "sum")
    for encoder in (skip, sum_):
        assert torch.equal(
            encoder.layers()[0].get_parameter("0.weight"), form[2]["features.0.weight"]
        )


def test_a_missing_first_convolution_is_named_where_it_is_summed(tmp_path: Path) -> None:
    state = random_state(PLAIN, norms=False)
    del state["features.0.weight"]
    save_file(state, tmp_path / "a.safetensors")
    with pytest.raises(DataError, match=r"features\.0\.weight"):
        load(VGG16(in_channels=1, width=WIDTH), tmp_path / "a.safetensors", "sum")


# -- files that are wrong -------------------------------------------------------------------------


def one_line_error(path: Path) -> str:
    with pytest.raises(DataError) as caught:
        load(VGG16(width=WIDTH), path)
    message = str(caught.value)
    assert "\n" not in message
    assert path.name in message
    return message


def test_a_missing_convolution_is_named(tmp_path: Path) -> None:
    state = random_state(PLAIN, norms=False)
    del state["features.12.weight"]
    save_file(state, tmp_path / "a.safetensors")
    assert "features.12.weight" in one_line_error(tmp_path / "a.safetensors")


@pytest.mark.parametrize("key", ["features.1.running_var", "features.4.bias"])
def test_a_missing_norm_is_named(key: str, tmp_path: Path) -> None:
    state = random_state(BN, norms=True)
    del state[key]
    save_file(state, tmp_path / "a.safetensors")
    assert key in one_line_error(tmp_path / "a.safetensors")


def test_weights_of_another_width_name_the_way_out(plain_file: Path) -> None:
    with pytest.raises(DataError, match=r"features\.0\.weight.*--weights none") as caught:
        load(VGG16(width=0.125), plain_file)
    assert "\n" not in str(caught.value)


def test_a_bias_of_the_wrong_shape_is_named(tmp_path: Path) -> None:
    state = random_state(PLAIN, norms=False)
    state["features.5.bias"] = torch.zeros(3)
    save_file(state, tmp_path / "a.safetensors")
    assert "features.5.bias" in one_line_error(tmp_path / "a.safetensors")


def test_no_such_file(tmp_path: Path) -> None:
    assert "--weights" in one_line_error(tmp_path / "nowhere.pth")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    assert "no such weights file" in one_line_error(tmp_path)


@pytest.mark.parametrize("name", ["a.pth", "a.safetensors", "a.txt"])
@pytest.mark.parametrize("content", [b"not weights at all", bytes(range(256)) * 4])
def test_garbage_is_one_line(name: str, content: bytes, tmp_path: Path) -> None:
    (tmp_path / name).write_bytes(content)
    assert "not a weights file" in one_line_error(tmp_path / name)


def test_an_empty_safetensors_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.safetensors").touch()
    assert "not a weights file" in one_line_error(tmp_path / "a.safetensors")


def test_an_empty_torch_file_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "a.pth").touch()
    assert "not a weights file" in one_line_error(tmp_path / "a.pth")


@pytest.mark.parametrize("content", [[1, 2], {"a": 1}, torch.zeros(2)])
def test_a_torch_file_of_something_else(content: object, tmp_path: Path) -> None:
    torch.save(content, tmp_path / "a.pth")
    assert "dictionary of tensors" in one_line_error(tmp_path / "a.pth")


def test_real_imagenet_weights(shared: Path) -> None:
    path = shared / "weights" / "vgg16_features_imagenet_fp16.safetensors"
    if not path.is_file():
        pytest.skip(f"no ImageNet weights: {path.name} is missing in the shared folder")
    encoder = VGG16()
    assert load(encoder, path)
    encoder.calibrate([image(1)])
    state = {name: value.float() for name, value in load_file(path).items()}
    expected = vgg_features(state, PLAIN, image())
    assert float(expected[-1].max()) > 0
    assert distance(encoder, expected, image()) < 1e-3
