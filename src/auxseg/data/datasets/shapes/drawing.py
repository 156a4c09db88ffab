"""The artist: a key of three numbers becomes one picture of an animal with all its labels.

Everything is drawn in picture coordinates, [0, 1] in x and y, so one key gives the same picture at
every size.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from auxseg.data.datasets.shapes.animals import Paint, Part, anatomy
from auxseg.data.datasets.shapes.outlines import rotate
from auxseg.data.datasets.shapes.painting import (
    canvas,
    corners,
    draw_line,
    fill,
    paste,
    reduce,
    shaded,
    times,
)
from auxseg.data.datasets.shapes.scenery import add_occluder, add_thing, background, thing
from auxseg.data.datasets.shapes.textures import (
    COATS,
    change_axes,
    noise,
    pick_colours,
    pick_marking,
    picture_grid,
    surface,
    turn_grid,
)

#: How often each of :data:`COATS` is worn.
_COAT_SHARES = (0.4, 0.2, 0.2, 0.2)
_IRISES = ((226, 190, 70), (150, 190, 90), (130, 180, 215), (190, 120, 60))


@dataclass(frozen=True)
class Drawing:
    """One drawn picture and all that is known about it.

    Attributes:
        image: uint8 (S, S, 3), RGB.
        mask: uint8 (S, S), 0 background, 1 animal; things in front of the animal are cut out.
        species: 0 cat, 1 dog.
        coat: 0 plain, 1 striped, 2 spotted, 3 patched (``textures.COATS``).
        box: float32 (4,), xyxy in [0, 1], around the head with its ears, cut at the picture's
            edge but not at things in front; None if less than half of the head is in the picture.
    """

    image: np.ndarray
    mask: np.ndarray
    species: int
    coat: int
    box: np.ndarray | None


def draw(seed: int, index: int, size: int, *, part: int = 0) -> Drawing:
    """Draws picture ``index`` of ``part`` of the pictures of ``seed``.

    Args:
        seed: number of the collection, at least 0.
        index: number of the picture in its part, at least 0.
        size: width and height in pixels, at least 1; the picture is the same at every size.
        part: keeps pictures apart that have the same index, such as those of train and of test.
    """
    rng = np.random.default_rng((seed, part, index))
    species, coat = int(rng.integers(2)), int(rng.choice(len(COATS), p=_COAT_SHARES))
    parts, axes = _place(rng, anatomy(rng, species))
    head = np.concatenate([part.outline for part in parts if part.is_head])
    body = np.concatenate([part.outline for part in parts if not part.is_head])
    scene = background(rng, size)
    for _ in range(rng.integers(3)):
        add_thing(rng, scene, thing(rng, rng.random(2), rng.uniform(0.08, 0.22)))
    scene = _out_of_focus(rng, scene)
    animal = _add_animal(rng, scene, parts, axes, COATS[coat])
    hidden = add_occluder(rng, scene, body, (head.min(axis=0) + head.max(axis=0)) / 2)
    return Drawing(
        image=_photograph(rng, scene),
        mask=(reduce(animal & ~hidden) > 0.5).astype(np.uint8),
        species=species,
        coat=coat,
        box=_head_box(head),
    )


def _out_of_focus(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """The background, blurred a little: the camera looks at the animal."""
    return cv2.GaussianBlur(scene, (0, 0), len(scene) * rng.uniform(0.006, 0.02))


def _place(rng: np.random.Generator, parts: list[Part]) -> tuple[list[Part], np.ndarray]:
    """Moves the animal into the picture; returns also its axes (2, 2) in picture coordinates."""
    mirror, squash, turn = rng.choice([-1.0, 1.0]), rng.uniform(0.88, 1.12), rng.normal(0.0, 0.12)
    axes = np.diag([mirror * squash, 1.0]) @ rotate(np.eye(2), turn)
    points = np.concatenate([part.outline for part in parts]) @ axes
    low, high = points.min(axis=0), points.max(axis=0)
    is_close_up = rng.random() < 0.12
    extent = rng.uniform(1.1, 1.5) if is_close_up else rng.uniform(0.78, 1.0)
    scale = extent / (high - low).max()
    points = (points - low) * scale + _position(rng, (high - low) * scale, is_close_up)
    moved, start = [], 0
    for part in parts:
        outline = points[start : start + len(part.outline)]
        moved.append(Part(outline, part.paint, part.shade, part.is_head, part.has_line))
        start += len(outline)
    return moved, axes * scale


def _position(rng: np.random.Generator, size: np.ndarray, is_close_up: bool) -> np.ndarray:
    """Where the upper left corner of an animal of that size (2,) goes."""
    room = 1.0 - size
    # Mostly the whole animal is in the picture; sometimes an edge cuts off up to a fifth of it.
    beyond = 0.2 * size if rng.random() < 0.18 else 0.0 * size
    start = rng.uniform(np.minimum(0.0, room) - beyond, np.maximum(0.0, room) + beyond)
    if is_close_up:
        # The head is on top: it is the feet that do not fit in.
        start[1] = rng.uniform(0.02, 0.1) + max(room[1], 0.0) * rng.random()
    return start


def _head_box(head: np.ndarray) -> np.ndarray | None:
    """The box around the points (P, 2) of the head, or None: see :class:`Drawing`."""
    hull = cv2.convexHull(head.astype(np.float32))
    picture = np.array([[0, 0], [1, 0], [1, 1], [0, 1]], np.float32)
    visible, _ = cv2.intersectConvexConvex(hull, picture)
    if visible < 0.5 * cv2.contourArea(hull):
        return None
    box = np.concatenate([head.min(axis=0), head.max(axis=0)])
    return np.asarray(np.clip(box, 0.0, 1.0).astype(np.float32))


def _add_animal(
    rng: np.random.Generator, scene: np.ndarray, parts: list[Part], axes: np.ndarray, coat: str
) -> np.ndarray:
    """Paints the animal; returns its canvas, 255 where it is."""
    size = len(scene)
    base = _coat_colour(rng, scene)
    palette = _palette(rng, base)
    # Parts in plain paint are colours; parts in fur are a weight that the coat is multiplied with.
    plain, fur, line = canvas(size, channels=4), canvas(size), canvas(size)
    for part in parts:
        points = corners(part.outline, len(line))
        is_fur = part.paint is Paint.COAT
        colour = (0.0, 0.0, 0.0) if is_fur else (palette[part.paint] * part.shade).tolist()
        fill(plain, points, (*colour, 255))
        fill(fur, points, 255 * part.shade if is_fur else 0)
        fill(line, points, 0)
        if part.has_line:
            draw_line(line, points)
    # The pattern lies in the animal's own axes and scale, so it turns and grows with the animal.
    grid = change_axes(picture_grid(size), np.linalg.inv(axes).T)
    grid += rng.random((2, 1, 1), np.float32)
    pelt = surface(rng, coat, grid, base, pick_marking(rng, base))
    painted = reduce(plain)
    colour = times(pelt, reduce(fur)) + painted[..., :3] * 255
    paste(scene, shaded(colour, reduce(line)), np.ascontiguousarray(painted[..., 3]))
    return np.ascontiguousarray(plain[..., 3])


def _coat_colour(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """A colour of fur; in three pictures of four the one of several that stands out most."""
    colours = pick_colours(rng, 4, 0.0)
    contrast = np.abs(colours - scene.mean(axis=(0, 1))).sum(axis=1)
    best = int(contrast.argmax())
    return np.asarray(colours[best if rng.random() < 0.75 else 0])


def _palette(rng: np.random.Generator, base: np.ndarray) -> np.ndarray:
    """float32 (paints, 3): a colour for every :class:`Paint`; COAT is the coat's first colour."""
    colours = np.tile(base, (len(Paint), 1))
    colours[Paint.LIGHT] += rng.uniform(0.2, 0.7) * (np.array([240, 230, 215]) - base)
    colours[Paint.PAW] = colours[Paint.COAT if rng.random() < 0.5 else Paint.LIGHT]
    colours[Paint.SKIN] = 0.5 * base + 0.5 * np.array([215, 140, 130])
    colours[Paint.EYE] = _IRISES[rng.integers(len(_IRISES))]
    colours[Paint.DARK] = (32, 26, 28)
    colours[Paint.COLLAR] = rng.uniform(20, 220, 3)
    return colours


def _photograph(rng: np.random.Generator, scene: np.ndarray) -> np.ndarray:
    """Uneven light, a lens that is slightly soft, a sensor with noise: uint8 (S, S, 3)."""
    size = len(scene)
    across = turn_grid(picture_grid(size) - 0.5, rng.uniform(0.0, 2 * np.pi))[0]
    light = rng.uniform(0.85, 1.1) + rng.uniform(0.0, 0.5) * across
    light = light + np.float32(0.06) * noise(rng, size, (2, 4))
    softness = rng.uniform(0.002, 0.007) * size
    image = cv2.GaussianBlur(times(scene, light), (0, 0), softness)
    grain = rng.uniform(2.0, 10.0) * rng.standard_normal((64, 64, 3), np.float32)
    noisy = image + cv2.resize(grain, (size, size), interpolation=cv2.INTER_LINEAR)
    return np.asarray(np.clip(noisy, 0, 255).astype(np.uint8))
