"""The mask as a picture that can be seen when opened, and the overlay with its legend."""

from __future__ import annotations

from collections.abc import Callable
from functools import lru_cache
from pathlib import Path

import matplotlib
from PIL import Image, ImageDraw, ImageFont

from auxseg.palette import class_colours, mask_picture
from auxseg.predict.predictor import Prediction

#: Narrower photos get no legend: there is no room for a word.
LEAST_WIDTH = 120
#: Height of the letters, in shares of the photo's longer side, and in pixels at least.
LETTERS, LEAST_LETTERS = 1 / 50, 11


def write_mask(prediction: Prediction, path: Path) -> None:
    """Class indices with a palette: viewers show colours, programs read the indices."""
    assert prediction.mask is not None
    mask_picture(prediction.mask).save(path, format="png")


def write_overlay(prediction: Prediction, path: Path) -> None:
    """What was found, drawn over the photo, and below it the classes that it holds."""
    with_legend(prediction).save(path, format="png")


def write_picture(task: str) -> Callable[[Prediction, Path], None]:
    """Writes the picture of a task that has one of its own, such as edges."""

    def write(prediction: Prediction, path: Path) -> None:
        Image.fromarray(prediction.pictures[task]).save(path, format="png")

    return write


def with_legend(prediction: Prediction) -> Image.Image:
    """The overlay; below it a strip with colour and name of every class that was found.

    The first class is the background, which is not drawn. Where nothing else was found, or the
    photo is narrower than :data:`LEAST_WIDTH`, there is no strip.
    """
    overlay = Image.fromarray(prediction.overlay)
    shown = [number for number in prediction.found if number > 0]
    if not shown or overlay.width < LEAST_WIDTH:
        return overlay
    size = max(LEAST_LETTERS, round(max(overlay.size) * LETTERS))
    rows = _rows([prediction.classes[number] for number in shown], overlay.width, size)
    line = round(1.6 * size)
    picture = Image.new("RGB", (overlay.width, overlay.height + line * len(rows)), "white")
    picture.paste(overlay, (0, 0))
    drawing, colours = ImageDraw.Draw(picture), class_colours(len(prediction.classes))
    numbers = iter(shown)
    for row, entries in enumerate(rows):
        top = overlay.height + row * line + round(0.3 * size)
        for left, name in entries:
            colour = tuple(colours[next(numbers)].tolist())
            drawing.rectangle((left, top, left + size, top + size), fill=colour)
            drawing.text(
                (left + 1.4 * size, top + size / 2), name, "black", _font(size), anchor="lm"
            )
    return picture


def _rows(names: list[str], width: int, size: int) -> list[list[tuple[int, str]]]:
    """Names in rows of this width: where each begins, and what of it fits into a row."""
    rows: list[list[tuple[int, str]]] = [[]]
    left = first = round(0.5 * size)
    for name in names:
        room = width - first - 1.4 * size
        while len(name) > 1 and _font(size).getlength(name) > room:
            name = f"{name[:-2]}…"
        end = left + 1.4 * size + _font(size).getlength(name)
        if end > width and rows[-1]:
            end += first - left
            left = first
            rows.append([])
        rows[-1].append((left, name))
        left = round(end + size)
    return rows


@lru_cache(maxsize=8)
def _font(size: int) -> ImageFont.FreeTypeFont:
    """DejaVu Sans, which matplotlib brings along, and which has letters of many languages."""
    file = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    return ImageFont.truetype(str(file), size)
