"""The files of a folder of photos."""

from __future__ import annotations

from pathlib import Path

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")


def is_image(path: Path) -> bool:
    """Whether the file's name says that it is an image."""
    return path.suffix.lower() in IMAGE_ENDINGS


def list_files(folder: Path) -> list[Path]:
    """The folder's files without hidden ones (.DS_Store, ._cat.jpg), in byte order."""
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(files, key=lambda path: path.name.encode(errors="surrogateescape"))
