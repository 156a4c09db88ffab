"""What a file from a stranger may hold."""

from __future__ import annotations

from pathlib import Path


class Planted:
    """Writes a file as soon as it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[object, ...]:
        return Path.touch, (self.path,)
