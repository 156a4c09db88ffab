"""The files of a folder of photos."""

from __future__ import annotations

from pathlib import Path

IMAGE_ENDINGS = (".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif")


#: Photos in formats that are not read: ending → what to call it. They are named, never passed over.
UNREAD_ENDINGS = {
    **dict.fromkeys((".heic", ".heif"), "HEIC"),
    **dict.fromkeys((".avif",), "AVIF"),
    **dict.fromkeys((".jxl",), "JPEG XL"),
    **dict.fromkeys((".jp2", ".j2k"), "JPEG 2000"),
    **dict.fromkeys((".raw", ".cr2", ".cr3", ".nef", ".arw", ".dng", ".orf", ".rw2"), "camera raw"),
    **dict.fromkeys((".svs", ".ndpi", ".mrxs", ".czi", ".lif", ".nd2"), "microscope"),
    **dict.fromkeys((".dcm", ".nii", ".nrrd"), "medical"),
    **dict.fromkeys((".psd", ".svg", ".pdf"), "drawing"),
    **dict.fromkeys((".mp4", ".mov", ".avi"), "video"),
}


def unread(path: Path) -> str | None:
    """What a photo's format is called that is not read; None for every other file."""
    return UNREAD_ENDINGS.get(path.suffix.lower())


def left_out(folder: Path, *, strangers: bool = True) -> tuple[str, ...]:
    """What is in a folder of photos and is not read: sub-folders, formats, other files.

    Args:
        strangers: whether files are named that are no photos at all.
    """
    found = []
    inside = [
        f"{path.name}/ ({count})"
        for path in sorted(folder.iterdir())
        if path.is_dir() and not path.name.startswith(".")
        if (count := sum(is_image(file) for file in path.rglob("*")))
    ]
    if inside:
        found.append(
            f"{folder}: photos in sub-folders are not read: {_first(inside)}; move them into "
            f"{folder.name}/, each under a name of its own"
        )
    lost = [path.name for path in sorted(folder.iterdir()) if _leads_nowhere(path)]
    if lost:
        found.append(f"{folder}: links that lead nowhere: {_first(lost)}")
    others = [path for path in list_files(folder) if not is_image(path)]
    known = [f"{path.name} ({kind})" for path in others if (kind := unread(path))]
    if known:
        found.append(
            f"{folder}: photos in a format that is not read: {_first(known)}; convert them to "
            "JPEG or PNG"
        )
    none = [path.name for path in others if unread(path) is None]
    if none and strangers:
        found.append(f"files in {folder.name}/ that are no images: {len(none)} (first: {none[0]})")
    return tuple(found)


def _leads_nowhere(path: Path) -> bool:
    return path.is_symlink() and not path.exists()


def _first(names: list[str], most: int = 3) -> str:
    more = f" and {len(names) - most} more" if len(names) > most else ""
    return ", ".join(names[:most]) + more


def is_image(path: Path) -> bool:
    """Whether the file's name says that it is an image."""
    return path.suffix.lower() in IMAGE_ENDINGS


def list_files(folder: Path) -> list[Path]:
    """The folder's files without hidden ones (.DS_Store, ._cat.jpg), in byte order."""
    files = (path for path in folder.iterdir() if path.is_file() and not path.name.startswith("."))
    return sorted(files, key=lambda path: path.name.encode(errors="surrogateescape"))
