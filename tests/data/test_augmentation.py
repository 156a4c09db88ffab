"""Augmentation: kornia as the oracle, hand-worked numbers, and image, mask and box in step."""

from __future__ import annotations

import math
import pickle
from dataclasses import replace
from typing import Any

import kornia
import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor

from auxseg.colour import LUMA
from auxseg.data.augmentation import Augment, Draws
from auxseg.errors import UsageError
from auxseg.types import IGNORE_INDEX, NO_LABEL, LabelledImages

SEED = 7
NOTHING: dict[str, Any] = {
    "flip": 0.0,
    "scale": (1.0, 1.0),
    "rotation": 0.0,
    "translation": 0.0,
    "brightness": 0.0,
    "contrast": 0.0,
    "saturation": 0.0,
    "hue": 0.0,
}
GEOMETRY = {"flip": 0.5, "scale": (0.7, 1.6), "rotation": 25.0, "translation": 0.15}
COLOUR = {"brightness": 0.3, "contrast": 0.3, "saturation": 0.4, "hue": 20.0}


def make(**changes: Any) -> Augment:
    return Augment(**{**NOTHING, **changes})


def blobs(count: int, height: int, width: int, smallest: int = 6) -> Tensor:
    """float32 (N, 3, H, W) in [0, 1]: smooth random textures, different for every image."""
    noise = torch.rand(count, 3, smallest, smallest, generator=torch.Generator().manual_seed(0))
    return torch.nn.functional.interpolate(noise, (height, width), mode="bicubic").clamp(0, 1)


def labelled(count: int = 6, height: int = 48, width: int = 48) -> LabelledImages:
    image = blobs(count, height, width)
    return LabelledImages(
        image=image,
        mask=(image[:, 0] * 3).to(torch.uint8).clamp(max=2),
        label=torch.arange(count),
        box=torch.tensor([[0.2, 0.3, 0.6, 0.9]]).repeat(count, 1),
        has_mask=torch.ones(count, dtype=torch.bool),
        counted=torch.ones(count, dtype=torch.bool),
        index=torch.arange(100, 100 + count),
        epoch=3,
    )


def select(images: LabelledImages, rows: list[int]) -> LabelledImages:
    names = ("image", "mask", "label", "box", "has_mask", "counted", "index")
    return replace(images, **{name: getattr(images, name)[rows] for name in names})


def kornia_matrix(draws: Draws, height: int, width: int) -> Tensor:
    """(N, 2, 3) on pixel numbers, from kornia's own rotation, scale, mirror and shift."""
    count = len(draws.flip)
    centre = torch.tensor([[(width - 1) / 2, (height - 1) / 2]], dtype=torch.float64)
    scale = torch.from_numpy(draws.scale)[:, None].repeat(1, 2)
    degrees = torch.from_numpy(np.rad2deg(draws.rotation))
    turned = kornia.geometry.get_rotation_matrix2d(centre.repeat(count, 1), degrees, scale)
    matrix = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    matrix[:, :2] = turned
    mirror = torch.eye(3, dtype=torch.float64).repeat(count, 1, 1)
    flipped = torch.from_numpy(draws.flip)
    mirror[flipped, 0, 0] = -1
    mirror[flipped, 0, 2] = width - 1
    matrix = matrix @ mirror
    matrix[:, :2, 2] += torch.from_numpy(draws.translation) * torch.tensor([width, height])
    return matrix[:, :2]


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 72), (51, 33)])
def test_image_and_mask_are_warped_as_kornia_warps_them(height: int, width: int) -> None:
    images = labelled(8, height, width)
    augment = make(**GEOMETRY)
    out = augment(images, SEED)
    matrix = kornia_matrix(augment.draw(images.index, images.epoch, SEED), height, width).float()

    def warp(values: Tensor, mode: str) -> Tensor:
        return kornia.geometry.warp_affine(values, matrix, (height, width), mode, "zeros", True)

    # kornia's picture ends at the centres of the outermost pixels: compare inside of them.
    inside = warp(torch.ones(8, 1, height, width), "bilinear").squeeze(1) > 0.999
    assert 0.5 < inside.float().mean() < 1
    difference = (out.image - warp(images.image, "bilinear")).abs().amax(dim=1)
    assert difference[inside].max() < 1e-4
    expected = warp(images.mask[:, None].float(), "nearest").squeeze(1).long()
    assert (out.mask != expected)[inside].float().mean() < 1e-3  # ties between two pixels
    assert {0, 1, 2, IGNORE_INDEX} == set(out.mask.unique().tolist())


@pytest.mark.parametrize(("height", "width"), [(48, 48), (40, 72)])
def test_box_is_the_hull_of_the_corners_kornia_moves(height: int, width: int) -> None:
    images = labelled(12, height, width)
    augment = make(**GEOMETRY, min_box_visible=0.0)
    matrix = kornia_matrix(augment.draw(images.index, images.epoch, SEED), height, width)
    xmin, ymin, xmax, ymax = images.box[0].double().tolist()
    corners = torch.tensor([[xmin, ymin], [xmin, ymax], [xmax, ymin], [xmax, ymax]]).double()
    side = torch.tensor([width, height])
    homography = torch.cat([matrix, torch.tensor([[[0.0, 0, 1]]]).repeat(12, 1, 1)], dim=1)
    # Pixel number 0 is the pixel whose centre lies half a pixel inside the picture's edge.
    points = (corners * side - 0.5)[None].repeat(12, 1, 1)
    moved = (kornia.geometry.transform_points(homography, points) + 0.5) / side
    hull = torch.cat([moved.amin(dim=1), moved.amax(dim=1)], dim=1).clamp(0, 1)
    out = augment(images, SEED)
    assert out.has_box.all()
    torch.testing.assert_close(out.box.double(), hull, atol=1e-6, rtol=0)


@pytest.mark.parametrize(("height", "width"), [(48, 48), (47, 65)])
def test_flip_is_exact(height: int, width: int) -> None:
    images = labelled(4, height, width)
    out = make(flip=1.0)(images, SEED)
    assert torch.equal(out.image, images.image.flip(3))
    assert torch.equal(out.mask, images.mask.flip(2))
    torch.testing.assert_close(out.box, torch.tensor([[0.4, 0.3, 0.8, 0.9]]).repeat(4, 1))
    again = make(flip=1.0)(out, SEED)
    assert torch.equal(again.image, images.image)
    torch.testing.assert_close(again.box, images.box)


def test_flip_probability() -> None:
    flipped = make(flip=0.25).draw(torch.arange(4000), 0, SEED).flip
    assert abs(flipped.mean() - 0.25) < 0.03


@pytest.mark.parametrize(("height", "width"), [(48, 48), (47, 65)])
def test_identity_returns_the_inputs(height: int, width: int) -> None:
    images = labelled(4, height, width)
    box = images.box.clone()
    box[1] = math.nan
    box[2] = torch.tensor([0.1, 0.12345678, 1 / 3, 1.0])
    images = replace(images, box=box)
    out = make()(images, SEED)
    assert torch.equal(out.mask, images.mask)
    torch.testing.assert_close(out.image, images.image, atol=1e-6, rtol=0)
    torch.testing.assert_close(out.box, box, atol=0, rtol=0, equal_nan=True)


def test_the_inputs_stay_untouched() -> None:
    images = labelled()
    copy = pickle.loads(pickle.dumps(images))
    make(**GEOMETRY, **COLOUR)(images, SEED)
    assert torch.equal(images.image, copy.image)
    assert torch.equal(images.mask, copy.mask)
    assert torch.equal(images.box, copy.box)


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**31),
    rotation=st.floats(0, 180),
    translation=st.floats(0, 0.4),
    scale=st.floats(0.6, 2),
)
def test_image_and_mask_stay_in_step(
    seed: int, rotation: float, translation: float, scale: float
) -> None:
    images = labelled(3, 40, 56)
    painted = (images.mask[:, None] / 2.0).repeat(1, 3, 1, 1)
    augment = make(flip=0.5, scale=(scale, scale), rotation=rotation, translation=translation)
    out = augment(replace(images, image=painted), seed)
    known = out.mask != IGNORE_INDEX
    shown = (out.image[:, 0] * 2).round().long()
    # Bilinear mixing between classes 0 and 2 passes 1: only pixels that show a pure class count.
    pure = known & ((out.image[:, 0] * 2 - shown).abs() < 1e-3)
    assert pure.float().sum() > 0.5 * known.float().sum()
    assert (shown != out.mask)[pure].float().mean() < 0.02


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**31), translation=st.floats(0, 0.2), low=st.floats(0.5, 2))
def test_box_stays_in_step_with_mask(seed: int, translation: float, low: float) -> None:
    height, width = 64, 96
    mask = torch.zeros(1, height, width, dtype=torch.long)
    mask[:, 16:40, 24:60] = 1
    box = torch.tensor([[24 / width, 16 / height, 60 / width, 40 / height]])
    images = replace(select(labelled(1, height, width), [0]), mask=mask, box=box)
    augment = make(flip=0.5, scale=(low, low), translation=translation, min_box_visible=0.0)
    out = augment(images, seed)
    rows, columns = torch.nonzero(out.mask[0] == 1, as_tuple=True)
    drawn = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
    pixels = out.box[0] * torch.tensor([width, height, width, height])
    torch.testing.assert_close(pixels, torch.stack(drawn).float(), atol=1.01, rtol=0)


def test_reflection_shows_and_mask_ignores_what_lies_outside() -> None:
    images = labelled(1, 48, 64)
    augment = make(translation=0.3)
    draws = augment.draw(images.index, images.epoch, SEED)
    # A translation of whole pixels can be worked by hand.
    right, down = 9, -14
    draws = replace(draws, translation=np.array([[right / 64, down / 48]]))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Augment, "draw", lambda *_: draws)
        out = augment(images, SEED)
    rows, columns = np.arange(48) - down, np.arange(64) - right
    padded = np.pad(images.image[0].numpy(), ((0, 0), (48, 48), (64, 64)), mode="symmetric")
    expected = padded[:, (rows + 48)[:, None], (columns + 64)[None]]
    torch.testing.assert_close(out.image[0], torch.from_numpy(expected), atol=1e-4, rtol=0)
    outside = ((rows < 0) | (rows > 47))[:, None] | ((columns < 0) | (columns > 63))[None]
    assert torch.equal(out.mask[0] == IGNORE_INDEX, torch.from_numpy(outside))


def test_a_box_that_leaves_the_picture_is_cut_and_then_dropped() -> None:
    images = select(labelled(), [0, 0, 0])
    # At scale 2 the box's coordinates become 2(v − 0.5) + 0.5, so [0.5, 0.8] → [0.5, 1.1].
    box = torch.tensor([[0.5, 0.5, 0.8, 0.8], [0.5, 0.5, 0.9, 0.9], [0.8, 0.4, 0.9, 0.5]])
    images = replace(images, box=box)
    out = make(scale=(2.0, 2.0))(images, SEED).box
    torch.testing.assert_close(out[0], torch.tensor([0.5, 0.5, 1.0, 1.0]))  # 0.25 of 0.36 seen
    assert torch.isnan(out[1]).all()  # 0.25 of 0.64 is less than 0.4
    assert torch.isnan(out[2]).all()  # quite outside
    generous = make(scale=(2.0, 2.0), min_box_visible=0.0)(images, SEED).box
    torch.testing.assert_close(generous[1], torch.tensor([0.5, 0.5, 1.0, 1.0]))
    assert torch.isnan(generous[2]).all()


def test_missing_labels_stay_missing() -> None:
    images = labelled(6)
    mask, box, label = images.mask.clone(), images.box.clone(), images.label.clone()
    mask[::2], box[1], label[2] = IGNORE_INDEX, math.nan, NO_LABEL
    has_mask = torch.tensor([False, True] * 3)
    images = replace(images, mask=mask, box=box, label=label, has_mask=has_mask)
    out = make(**GEOMETRY, **COLOUR)(images, SEED)
    assert (out.mask[::2] == IGNORE_INDEX).all()
    assert torch.isnan(out.box[1]).all()
    assert torch.equal(out.label, label)
    assert torch.equal(out.has_mask, has_mask)
    assert torch.equal(out.index, images.index)
    assert out.epoch == images.epoch


def test_a_key_gives_one_result_in_any_batch() -> None:
    images, augment = labelled(6), make(**GEOMETRY, **COLOUR)
    whole = augment(images, SEED)
    torch.manual_seed(123)  # global random state plays no part
    np.random.seed(5)  # noqa: NPY002
    for rows in ([4], [5, 0, 2], [3, 3]):
        part = augment(select(images, rows), SEED)
        torch.testing.assert_close(part.image, whole.image[rows], atol=1e-6, rtol=0)
        assert torch.equal(part.mask, whole.mask[rows])
        torch.testing.assert_close(part.box, whole.box[rows], atol=0, rtol=0, equal_nan=True)


def test_epoch_seed_and_index_each_change_the_result() -> None:
    images, augment = labelled(2), make(**GEOMETRY, **COLOUR)
    reference = augment(images, SEED)
    others = [
        augment(replace(images, epoch=4), SEED),
        augment(images, SEED + 1),
        augment(replace(images, index=images.index + 50), SEED),
    ]
    for other in others:
        assert (other.image - reference.image).abs().mean() > 0.01


def test_draws_fill_their_ranges() -> None:
    draws = make(**GEOMETRY, **COLOUR).draw(torch.arange(3000), 0, SEED)
    ranges = {
        "scale": (0.7, 1.6),
        "brightness": (0.7, 1.3),
        "contrast": (0.7, 1.3),
        "saturation": (0.6, 1.4),
        "hue": (-math.radians(20), math.radians(20)),
        "rotation": (-math.radians(25), math.radians(25)),
        "translation": (-0.15, 0.15),
    }
    for name, (low, high) in ranges.items():
        values = getattr(draws, name)
        margin = 0.01 * (high - low)
        assert low <= values.min() < low + margin, name
        assert high - margin < values.max() <= high, name


def test_brightness_is_kornias_factor() -> None:
    images, augment = labelled(4), make(brightness=0.5)
    factor = augment.draw(images.index, images.epoch, SEED).brightness
    expected = kornia.enhance.adjust_brightness_accumulative(
        images.image, torch.from_numpy(factor).float()
    )
    torch.testing.assert_close(augment(images, SEED).image, expected, atol=1e-6, rtol=0)


def test_contrast_is_kornias_about_the_mean_grey() -> None:
    images, augment = labelled(4), make(contrast=0.5)
    factor = augment.draw(images.index, images.epoch, SEED).contrast
    expected = torch.cat(
        [
            kornia.enhance.adjust_contrast_with_mean_subtraction(image[None], float(value))
            for image, value in zip(images.image, factor, strict=True)
        ]
    )
    torch.testing.assert_close(augment(images, SEED).image, expected, atol=1e-5, rtol=0)


def test_saturation_is_kornias_about_grey() -> None:
    images, augment = labelled(4), make(saturation=0.8)
    factor = torch.from_numpy(augment.draw(images.index, images.epoch, SEED).saturation).float()
    expected = kornia.enhance.adjust_saturation_with_gray_subtraction(images.image, factor)
    torch.testing.assert_close(augment(images, SEED).image, expected, atol=1e-5, rtol=0)


def test_hue_turns_colours_and_keeps_greys_and_luma() -> None:
    images = labelled(1)
    half = images.image * 0.2 + 0.4  # nothing to clamp
    grey = half[:, :1].repeat(1, 3, 1, 1)
    augment = make(hue=120.0)
    turned = augment(replace(images, image=half), SEED).image
    luma = torch.from_numpy(LUMA).float()
    torch.testing.assert_close(
        torch.einsum("nchw,c->nhw", turned, luma), torch.einsum("nchw,c->nhw", half, luma)
    )
    assert (turned - half).abs().mean() > 0.005
    still = augment(replace(images, image=grey), SEED).image
    torch.testing.assert_close(still, grey, atol=1e-6, rtol=0)


def test_hue_by_hand_half_a_turn_gives_the_opposite_chroma() -> None:
    # Half a turn negates I and Q: every channel is mirrored at the pixel's grey.
    draws = replace(make().draw(torch.arange(1), 0, SEED), hue=np.array([math.pi]))
    rgb = np.array([0.5, 0.4, 0.3])
    grey = float(LUMA @ rgb)
    np.testing.assert_allclose(draws.colour()[0] @ rgb, 2 * grey - rgb, atol=1e-9)


def test_colours_compose_in_the_stated_order() -> None:
    """Brightness, contrast, saturation one after the other equal the one matrix."""
    images = labelled(3)
    half = replace(images, image=images.image * 0.3 + 0.3)
    augment = make(brightness=0.2, contrast=0.2, saturation=0.2)
    draws = augment.draw(half.index, half.epoch, SEED)

    def column(values: np.ndarray) -> Tensor:
        return torch.from_numpy(values).float().view(-1, 1, 1, 1)

    def grey(values: Tensor) -> Tensor:
        return torch.einsum("nchw,c->nhw", values, torch.from_numpy(LUMA).float())[:, None]

    expected = half.image * column(draws.brightness)
    mean = grey(expected).mean(dim=(2, 3), keepdim=True)
    expected = mean + (expected - mean) * column(draws.contrast)
    own = grey(expected)
    expected = own + (expected - own) * column(draws.saturation)
    torch.testing.assert_close(augment(half, SEED).image, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("side", [(48, 48), (33, 70)])
def test_dtypes_shapes_and_range_are_kept(side: tuple[int, int]) -> None:
    images = labelled(5, *side)
    extreme = {"brightness": 1.0, "contrast": 1.0, "saturation": 1.0, "hue": 180.0}
    out = make(**GEOMETRY, **extreme)(images, SEED)
    for name in ("image", "mask", "label", "box", "has_mask", "counted", "index"):
        before, after = getattr(images, name), getattr(out, name)
        assert (after.shape, after.dtype) == (before.shape, before.dtype), name
    assert out.image.min() >= 0
    assert out.image.max() <= 1
    assert out.image.isfinite().all()
    known = out.box[out.has_box]
    assert ((known >= 0) & (known <= 1)).all()
    assert (known[:, 2:] > known[:, :2]).all()


@pytest.mark.parametrize(
    ("name", "value", "allowed"),
    [
        ("flip", 1.5, "0 to 1"),
        ("rotation", -3, "0 to 180"),
        ("hue", math.nan, "0 to 180"),
        ("translation", 2, "0 to 1"),
        ("scale", (1.2, 0.8), "two numbers above 0"),
        ("scale", (0.0, 1.0), "two numbers above 0"),
        ("scale", (1.0,), "two numbers above 0"),
        ("min_box_visible", -0.1, "0 to 1"),
    ],
)
def test_values_out_of_range_are_named(name: str, value: Any, allowed: str) -> None:
    with pytest.raises(UsageError, match=rf"{name} is .*; allowed: {allowed}"):
        make(**{name: value})


def test_it_travels_to_loader_workers() -> None:
    augment = make(**GEOMETRY)
    assert pickle.loads(pickle.dumps(augment)) == augment
