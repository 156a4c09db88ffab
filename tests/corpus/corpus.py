"""A corpus of bad and odd input: each kind makes its files and says what must come out.

A kind is a function that changes a sound folder of photos; its result is what `auxseg data check`
must say of it: nothing (``SOUND``), or words of the one line that names the fault.
"""

from __future__ import annotations

import io
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from PIL import Image

from integration.command import Outcome, auxseg

#: The words of a sound folder.
SOUND: tuple[str, ...] = ()

WIDTH, HEIGHT = 24, 20


#: Changes a folder into one of a kind.
Maker = Callable[[Path], object]


@dataclass(frozen=True)
class Kind:
    """One kind of input.

    Attributes:
        make: changes the folder.
        words: what the line about it must hold; none where nothing is wrong.
        note: whether it is a note, and training goes on.
    """

    name: str
    make: Maker
    words: tuple[str, ...]
    note: bool = False


@dataclass
class Kinds:
    """A list of kinds that is filled by decorators."""

    all: list[Kind] = field(default_factory=list)

    def __call__(
        self, *words: str, note: bool = False
    ) -> Callable[[Callable[[Path], object]], None]:
        def add(make: Callable[[Path], object]) -> None:
            self.all.append(Kind(make.__name__.strip("_"), make, words, note))

        return add


def pixels(number: int, mode: str = "RGB") -> Image.Image:
    """A photo that differs from every other one."""
    drawn = np.random.default_rng(number).integers(40, 250, (HEIGHT, WIDTH, 3), dtype=np.uint8)
    return Image.fromarray(drawn).convert(mode)


def mask(value: int = 1) -> np.ndarray:
    """uint8 (H, W): a quarter of it is foreground."""
    drawn = np.zeros((HEIGHT, WIDTH), np.uint8)
    drawn[: HEIGHT // 2, : WIDTH // 2] = value
    return drawn


def folder(root: Path) -> Path:
    """Five photos with masks of 0 and 1: ``p0`` to ``p4``."""
    for part in ("images", "masks"):
        (root / part).mkdir(parents=True)
    for number in range(5):
        pixels(number).save(root / "images" / f"p{number}.png")
        Image.fromarray(mask()).save(root / "masks" / f"p{number}.png")
    return root


def photo(root: Path, name: str, content: bytes) -> Path:
    """Replaces photo p0 by a file of another name."""
    (root / "images" / "p0.png").unlink()
    path = root / "images" / name
    path.write_bytes(content)
    return path


def encoded(image: Image.Image, kind: str, **options: object) -> bytes:
    stream = io.BytesIO()
    image.save(stream, kind, **options)
    return stream.getvalue()


def check(kind: Kind, root: Path) -> Outcome:
    """What `auxseg data check` says of a kind; asserts that it is what it should be."""
    kind.make(folder(root))
    outcome = auxseg("data", "check", root)
    said = [*outcome.out.splitlines(), *outcome.err.splitlines()]
    faults = [line for line in said if line.startswith(("problem: ", "auxseg: "))]
    notes = [line for line in said if line.startswith("note: ")]
    if kind.words == SOUND or kind.note:
        assert (outcome.status, faults) == (0, []), said
    else:
        assert outcome.status in (1, 2), said
        assert len(faults) == 1, faults
    lines = notes if kind.note else faults
    if kind.words != SOUND:
        assert any(all(word in line for word in kind.words) for line in lines), lines
    return outcome
