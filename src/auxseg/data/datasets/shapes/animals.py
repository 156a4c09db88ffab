"""Anatomy of the drawn animals: a species, a pose and some chance become a list of outlines.

Cat and dog differ by shape alone: pointed ears on a round head with a short muzzle and a long thin
tail, against hanging ears on a longer head with a long muzzle and a short thick tail. The animal
looks to the right, x points forward, y down, and from nose to tail it is about 1 long.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

import numpy as np

from auxseg.data.datasets.shapes.outlines import Point, ellipse, limb, rotate

SPECIES = ("cat", "dog")
_CAT = 0


class Paint(IntEnum):
    """What a part is painted with."""

    COAT = 0
    LIGHT = 1
    PAW = 2
    SKIN = 3
    EYE = 4
    DARK = 5
    COLLAR = 6


@dataclass(frozen=True)
class Part:
    """One outline of an animal, painted over the parts before it.

    Attributes:
        outline: float (P, 2), the corners.
        paint: what it is filled with.
        shade: brightness, 1 for the side that faces the light.
        is_head: whether it belongs to what the head box frames.
        has_line: whether a dark line is drawn around it.
    """

    outline: np.ndarray
    paint: Paint = Paint.COAT
    shade: float = 1.0
    is_head: bool = False
    has_line: bool = True


@dataclass(frozen=True)
class _Body:
    """A pose without head and tail, and where these two go."""

    parts: list[Part]
    head: Point
    tail: Point
    tail_angle: float


def anatomy(rng: np.random.Generator, species: int) -> list[Part]:
    """The parts of one animal in a random pose, from back to front.

    Args:
        species: 0 cat, 1 dog.
    """
    pose = (_standing, _sitting, _facing, _lying)[rng.integers(4)]
    body = pose(rng)
    tail = _tail(rng, species, body.tail, body.tail_angle)
    turn = rng.uniform(0.0, 0.25) if pose is _facing else rng.uniform(0.0, 1.0)
    return [tail, *body.parts, *_head(rng, species, body.head, turn)]


def _tail(rng: np.random.Generator, species: int, root: Point, angle: float) -> Part:
    """A long thin curve for a cat, short and thick for a dog; ``angle`` 0 points backwards."""
    if species == _CAT:
        length, bend = rng.uniform(0.4, 0.55), rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1.0)
        path = [(0.0, 0.0), (-0.45, 0.2 * bend), (-0.6, -0.5 * bend), (-1.0, -0.3 * bend)]
        radii = [0.034, 0.03, 0.03]
    else:
        length, bend = rng.uniform(0.2, 0.28), rng.uniform(0.0, 0.5)
        path, radii = [(0.0, 0.0), (-0.6, 0.0), (-0.9, -bend)], [0.06, 0.055, 0.03]
    curve = rotate(np.array(path) * length, angle + rng.normal(0.0, 0.15)) + np.array(root)
    return Part(limb(curve.tolist(), radii), shade=0.9)


def _leg(hip: Point, knee: Point, foot: Point, width: float, shade: float) -> list[Part]:
    """A leg and its paw, which points forward; no line parts it from the trunk."""
    leg = limb([hip, knee, foot], [width * 1.5, width, width * 0.9])
    joint = ellipse((hip[0], hip[1] - 0.01), (width * 1.8, width * 1.7))
    paw = ellipse((foot[0] + 0.02, foot[1]), (0.06, 0.036))
    return [
        Part(leg, shade=shade),
        Part(joint, shade=shade, has_line=False),
        Part(paw, Paint.PAW, shade),
    ]


def _standing(rng: np.random.Generator) -> _Body:
    girth, floor, stride = rng.uniform(0.8, 1.15), rng.uniform(0.3, 0.38), rng.uniform(-0.13, 0.13)
    rear, front = -0.25, 0.2
    far, near = [], []
    for hip, step in ((rear, stride), (front, -stride)):
        far += _leg(
            (hip + 0.03, 0.02), (hip + 0.03, 0.15), (hip + 0.03 + step, floor - 0.02), *_FAR
        )
        near += _leg((hip, 0.02), (hip - 0.03, 0.15), (hip - step, floor), *_NEAR)
    sag = rng.uniform(-0.04, 0.04)
    trunk = limb([(rear, -0.02), (0.0, sag), (front, -0.02)], [0.14, 0.125 * girth, 0.145])
    head = (rng.uniform(0.34, 0.4), rng.uniform(-0.3, -0.1))
    neck = limb([(front, -0.03), (head[0] - 0.04, head[1] + 0.06)], [0.12, 0.085])
    parts = [*far, Part(neck, has_line=False), Part(trunk), *near, *_collar(rng, head)]
    return _Body(parts, head, (rear - 0.1, -0.08), rng.uniform(-0.3, 1.2))


def _sitting(rng: np.random.Generator) -> _Body:
    girth, lean = rng.uniform(0.85, 1.15), rng.uniform(-0.03, 0.06)
    head = (0.1 + lean, rng.uniform(-0.36, -0.28))
    trunk = limb(
        [(head[0] - 0.02, head[1] + 0.1), (0.06, 0.0), (-0.08, 0.22)],
        [0.09, 0.15 * girth, 0.175 * girth],
    )
    parts = [
        *_leg((0.14, 0.05), (0.17, 0.2), (0.16 + lean, 0.36), *_FAR),
        Part(trunk),
        *_leg((0.08, 0.04), (0.08, 0.2), (0.08 + lean, 0.38), *_NEAR),
        Part(ellipse((-0.1, 0.24), (0.15 * girth, 0.15))),
        Part(ellipse((0.0, 0.38), (0.1, 0.038)), Paint.PAW),
        *_collar(rng, head),
    ]
    return _Body(parts, head, (-0.2, 0.33), rng.uniform(-0.1, 0.9))


def _facing(rng: np.random.Generator) -> _Body:
    girth = rng.uniform(0.85, 1.2)
    head = (rng.uniform(-0.03, 0.03), rng.uniform(-0.32, -0.24))
    trunk = limb([(head[0], head[1] + 0.08), (0.0, 0.1), (0.0, 0.22)], [0.1, 0.15, 0.2 * girth])
    parts = [Part(trunk)]
    for side in (-1.0, 1.0):
        haunch = ellipse((side * 0.17 * girth, 0.28), (0.085, 0.115))
        parts += [
            Part(haunch),
            Part(ellipse((side * 0.19 * girth, 0.37), (0.075, 0.04)), Paint.PAW),
        ]
    parts.append(Part(ellipse((0.0, 0.08), (0.085, 0.15)), Paint.LIGHT, has_line=False))
    for side in (-1.0, 1.0):
        leg = limb([(side * 0.07, 0.1), (side * 0.065, 0.36)], [0.06, 0.045])
        paw = ellipse((side * 0.068, 0.38), (0.055, 0.036))
        parts += [Part(leg), Part(paw, Paint.PAW)]
    return _Body([*parts, *_collar(rng, head)], head, (-0.16, 0.32), rng.uniform(0.1, 1.0))


def _lying(rng: np.random.Generator) -> _Body:
    girth, height = rng.uniform(0.9, 1.2), rng.uniform(-0.12, 0.08)
    head = (rng.uniform(0.26, 0.36), height)
    trunk = limb([(-0.28, 0.14), (-0.05, 0.02), (0.2, 0.14)], [0.14, 0.14 * girth, 0.13])
    neck = limb([(0.18, 0.1), (head[0] - 0.04, head[1] + 0.06)], [0.12, 0.085])
    reach = rng.uniform(0.4, 0.5)
    parts = [
        *_leg((0.2, 0.2), (0.3, 0.22), (reach, 0.22), *_FAR),
        Part(neck, has_line=False),
        Part(trunk),
        Part(ellipse((-0.24, 0.16), (0.16, 0.13 * girth), -0.2)),
        Part(ellipse((-0.1, 0.27), (0.12, 0.04)), Paint.PAW),
        *_leg((0.16, 0.22), (0.3, 0.27), (reach - 0.05, 0.27), *_NEAR),
        *_collar(rng, head),
    ]
    return _Body(parts, head, (-0.38, 0.2), rng.uniform(-0.4, 0.5))


#: Width and shade of the legs on either side.
_FAR, _NEAR = (0.045, 0.72), (0.05, 1.0)


def _collar(rng: np.random.Generator, head: Point) -> list[Part]:
    """Now and then a collar below the head."""
    if rng.random() > 0.25:
        return []
    below = [(head[0] - 0.12, head[1] + 0.11), (head[0], head[1] + 0.2)]
    return [Part(limb([*below, (head[0] + 0.09, head[1] + 0.12)], [0.025]), Paint.COLLAR)]


def _head(rng: np.random.Generator, species: int, centre: Point, turn: float) -> list[Part]:
    """The head's parts; ``turn`` 0 looks at us, 1 is a profile."""
    parts = (_cat_head if species == _CAT else _dog_head)(rng, turn)
    radius, tilt = rng.uniform(0.15, 0.185), rng.normal(0.0, 0.12)
    return [
        Part(
            rotate(part.outline * radius, tilt) + np.array(centre),
            part.paint,
            part.shade,
            is_head=True,
            has_line=part.has_line,
        )
        for part in parts
    ]


def _cat_head(rng: np.random.Generator, turn: float) -> list[Part]:
    """A round head of radius about 1 with two pointed ears and a short muzzle."""
    ears = [_pointed_ear(rng, side * 0.58 - 0.2 * turn, side) for side in (1.0, -1.0)]
    snout = (0.72 * turn, 0.38)
    nose = [(snout[0] - 0.13 + 0.2 * turn, 0.2), (snout[0] + 0.13 + 0.2 * turn, 0.2)]
    return [
        *ears[0],
        *ears[1],
        Part(ellipse((0.0, 0.0), (rng.uniform(0.95, 1.08), rng.uniform(0.8, 0.9)))),
        Part(ellipse(snout, (0.42, 0.29)), Paint.LIGHT, has_line=False),
        Part(np.array([*nose, (snout[0] + 0.2 * turn, 0.37)]), Paint.DARK, has_line=False),
        *_eyes(turn, -0.1),
    ]


def _pointed_ear(rng: np.random.Generator, x: float, side: float) -> list[Part]:
    tip = np.array([x + side * rng.uniform(0.1, 0.3), -rng.uniform(1.3, 1.55)])
    corners = np.array([[x - 0.4, -0.45], tip, [x + 0.4, -0.35]])
    inside = 0.6 * corners + 0.4 * np.array([x, -0.62])
    return [Part(corners), Part(inside, Paint.SKIN, has_line=False)]


def _dog_head(rng: np.random.Generator, turn: float) -> list[Part]:
    """A longer head with two hanging ears and a long muzzle."""
    long = rng.uniform(0.9, 1.15)
    tip = (1.35 * long * turn, 0.72 * long - 0.3 * turn)
    muzzle = limb([(0.15 * turn, 0.1), tip], [0.5, 0.34])
    nose = (tip[0] + 0.2 * turn, tip[1] - 0.12 - 0.08 * turn)
    near, far = (_hanging_ear(rng, side, turn) for side in (-1.0, 1.0))
    skull = Part(ellipse((0.0, -0.12), (rng.uniform(0.78, 0.88), rng.uniform(0.85, 0.95))))
    face = [
        Part(muzzle, Paint.LIGHT if rng.random() < 0.5 else Paint.COAT),
        Part(ellipse(nose, (0.2, 0.15)), Paint.DARK, has_line=False),
        *_eyes(turn, -0.25),
    ]
    # A far ear hangs behind the head as soon as the head is turned away from us.
    return [skull, far, *face, near] if turn < 0.35 else [far, skull, *face, near]


def _hanging_ear(rng: np.random.Generator, side: float, turn: float) -> Part:
    root = side * 0.6 + 0.25 * turn
    out = root + side * rng.uniform(0.45, 0.65) * (1.0 - 0.6 * turn)
    path = [(root, -0.7), (out, -0.6), (out, rng.uniform(0.5, 0.8))]
    return Part(limb(path, [0.16, 0.27, 0.3]), shade=0.78)


def _eyes(turn: float, y: float) -> list[Part]:
    """Both eyes, or in profile the near one: iris and pupil."""
    near, far = -0.38 + 0.7 * turn, 0.38 + 0.45 * turn
    parts = []
    for x in (near, far) if turn < 0.55 else (near,):
        parts.append(Part(ellipse((x, y), (0.2, 0.2)), Paint.EYE, has_line=False))
        parts.append(Part(ellipse((x + 0.06 * turn, y), (0.12, 0.15)), Paint.DARK, has_line=False))
    return parts
