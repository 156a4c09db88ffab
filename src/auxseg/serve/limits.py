"""What a request may ask for."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Limits:
    """Bounds that keep memory and waiting small whoever asks.

    Attributes:
        bytes: of a request's body.
        pixels: of a photo.
        waiting: photos that may wait for the network; more are answered with 503.
        receiving: uploads on their way at once; more are answered with 503.
        seconds: for a body to arrive.
    """

    bytes: int = 50_000_000
    pixels: int = 60_000_000
    waiting: int = 8
    receiving: int = 64
    seconds: float = 60.0
