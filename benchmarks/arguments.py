"""What the benchmarks of networks are told alike."""

from __future__ import annotations

import argparse


def parser(
    doc: str, *, image_size: int, batch_size: int, seconds: float
) -> argparse.ArgumentParser:
    """Sizes and time, with these defaults; the first line of the docstring says what it does."""
    made = argparse.ArgumentParser(description=doc.partition("\n")[0])
    made.add_argument("--image-size", type=int, default=image_size)
    made.add_argument("--batch-size", type=int, default=batch_size)
    made.add_argument("--seconds", type=float, default=seconds, help="for all rounds together")
    return made


def preset_parser(
    doc: str, *, image_size: int, batch_size: int, seconds: float
) -> argparse.ArgumentParser:
    """The same, for one system at some width."""
    made = parser(doc, image_size=image_size, batch_size=batch_size, seconds=seconds)
    made.add_argument("--preset", default="mtan-3task")
    made.add_argument("--width", type=float, default=1.0)
    return made
