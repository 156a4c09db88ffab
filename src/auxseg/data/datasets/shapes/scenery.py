"""What is in a drawn picture besides the animal: background, things, and what hides the animal.

It wears the patterns of the animals' coats and, now and then, their colours: mostly an animal
stands out, and sometimes it has to be known by its shape.
"""

from __future__ import annotations

import numpy as np

from auxseg.data.datasets.shapes.outlines import ellipse, limb
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
from auxseg.data.datasets.shapes.textures import (
    PATTERNS,
    pick_colours,
    pick_marking,
    picture_grid,
    surface,
    turn_grid,
)


def background(rng: np.random.Generator, size: int) -> np.ndarray:
    """One surface, or a wall and a floor, or either of them with grass or leaves.

    Returns:
        float32 (size, size, 3), RGB around [0, 255].
    """
    scene = _surface(rng, size, 0.96)
    if rng.random() < 0.5:
        horizon, tilt = rng.uniform(0.35, 0.85), rng.normal(0.0, 0.05)
        floor = np.array([[-0.1, horizon - tilt], [1.1, horizon + tilt], [1.1, 1.2], [-0.1, 1.2]])
        alpha = reduce(_filled([floor], size))
        paste(scene, times(_surface(rng, size, 0.96), alpha), alpha, shadow=0.0)
    if rng.random() < 0.15:
        width = rng.choice([rng.uniform(0.006, 0.014), rng.uniform(0.025, 0.05)])
        _add_meadow(rng, scene, rng.uniform(-0.1, 0.5), width)
    return scene


def add_thing(rng: np.random.Generator, scene: np.ndarray, outline: np.ndarray) -> np.ndarray:
    """Paints a thing with a pattern; returns its canvas, 255 where it is."""
    size = len(scene)
    mask, line = _filled([outline], size), canvas(size)
    draw_line(line, corners(outline, len(line)))
    alpha = reduce(mask)
    paste(scene, shaded(times(_surface(rng, size, 0.75), alpha), reduce(line)), alpha)
    return mask


def add_occluder(
    rng: np.random.Generator, scene: np.ndarray, body: np.ndarray, face: np.ndarray
) -> np.ndarray:
    """Now and then paints grass or a thing in front of the animal's body.

    Args:
        body: (P, 2), points on the body without its head.
        face: (2,), the middle of the face. It stays visible: without it nothing tells a cat from
            a dog.

    Returns:
        The canvas of what is in front: 255 where it hides the animal.
    """
    choice = rng.random()
    if choice < 0.1:
        left, right = np.quantile(body[:, 0], (0.1, 0.9))
        foot = np.array([rng.uniform(left, right), body[:, 1].max()])
        reach = np.array([0.15, 0.03])
        tuft = _blades(rng, 26, np.stack([foot - reach, foot + reach]), 0.012)
        if not _contains(tuft, face):
            mask = _filled(list(tuft), len(scene))
            alpha = reduce(mask)
            paste(scene, times(_surface(rng, len(scene), 0.9), alpha), alpha)
            return mask
    elif choice < 0.2:
        outline = thing(rng, body[rng.integers(len(body))], rng.uniform(0.08, 0.16))
        if not _contains(outline, face):
            return add_thing(rng, scene, outline)
    return canvas(len(scene))


def thing(rng: np.random.Generator, centre: np.ndarray, radius: float) -> np.ndarray:
    """The outline of something that is not an animal: ball, cushion, stone or branch."""
    kind = rng.integers(4)
    spot, radii = (float(centre[0]), float(centre[1])), (radius, radius * rng.uniform(0.5, 1.0))
    if kind == 0:
        return ellipse(spot, radii, rng.uniform(0.0, np.pi))
    if kind == 1:
        return ellipse(spot, radii, rng.normal(0.0, 0.3), power=rng.uniform(0.3, 0.7))
    if kind == 2:
        angles = np.sort(rng.uniform(0.0, 2 * np.pi, rng.integers(3, 8)))
        return centre + radius * np.stack([np.cos(angles), np.sin(angles)], axis=1)
    path = centre + rng.normal(0.0, radius, (3, 2))
    return limb(path.tolist(), (rng.uniform(0.1, 0.35, 2) * radius).tolist())


def _surface(rng: np.random.Generator, size: int, surroundings: float) -> np.ndarray:
    """A surface of any pattern in any direction, in colours of fur or of surroundings."""
    kind = PATTERNS[rng.integers(len(PATTERNS))]
    base, marking = pick_colours(rng, 2, surroundings)
    if rng.random() < 0.1:
        marking = pick_marking(rng, base)
    # Fainter than a coat's markings.
    marking = base + np.float32(rng.uniform(0.1, 0.5)) * (marking - base)
    grid = turn_grid(picture_grid(size), rng.uniform(0.0, np.pi))
    return surface(rng, kind, grid * np.float32(rng.uniform(0.5, 1.6)), base, marking)


def _add_meadow(rng: np.random.Generator, scene: np.ndarray, top: float, width: float) -> None:
    """Grass (narrow) or leaves (wide) below ``top``, each in a colour of its own."""
    layer = canvas(len(scene), channels=4)
    blades = _blades(rng, 60, np.array([[0.0, top], [1.0, 1.1]]), width)
    colours = pick_colours(rng, len(blades), 0.7)
    for points, colour in zip(corners(blades, len(layer)), colours.tolist(), strict=True):
        fill(layer, points, (*colour, 255))
    painted = reduce(layer)
    paste(scene, painted[..., :3] * 255, np.ascontiguousarray(painted[..., 3]), shadow=0.0)


def _blades(rng: np.random.Generator, count: int, area: np.ndarray, width: float) -> np.ndarray:
    """(count, 4, 2): blades that stand in an area (2, 2: low and high corner), far ones first."""
    feet = rng.uniform(area[0], area[1], (count, 2))
    feet = feet[np.argsort(feet[:, 1])]
    lean, height = rng.normal(0.0, 0.05, count), rng.uniform(0.08, 0.22, count)
    tips = feet + np.stack([lean, -height], axis=1)
    middle, aside = (feet + tips) / 2, np.array([width, 0.0])
    return np.stack([feet, middle - aside, tips, middle + aside], axis=1)


def _filled(outlines: list[np.ndarray], size: int) -> np.ndarray:
    """A canvas with 255 inside any of the outlines."""
    mask = canvas(size)
    for outline in outlines:
        fill(mask, corners(outline, len(mask)), 255)
    return mask


def _contains(outline: np.ndarray, point: np.ndarray) -> bool:
    """Whether the point lies in the upright box around the outline (…, 2)."""
    points = outline.reshape(-1, 2)
    return bool(((points.min(axis=0) < point) & (point < points.max(axis=0))).all())
