"""Which files of a user's folder are images, and which mask belongs to which image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auxseg.data.files import IMAGE_ENDINGS, is_image, list_files
from auxseg.errors import DataError


@dataclass(frozen=True)
class FolderFiles:
    """The files of a folder.

    Attributes:
        images: in byte order of their names.
        masks: the mask of each image, or None.
        notes: observations, such as images without a mask.
        problems: one line each: masks without an image, two images of one stem.
    """

    images: tuple[Path, ...]
    masks: tuple[Path | None, ...]
    notes: tuple[str, ...]
    problems: tuple[str, ...]


def find_files(root: Path) -> FolderFiles:
    """Lists ``images/`` (or the folder itself, where there is no ``images/``) and ``masks/``.

    Raises:
        DataError: there is no image.
    """
    folder = root / "images" if (root / "images").is_dir() else root
    images = [path for path in list_files(folder) if is_image(path)]
    if not images:
        raise DataError(
            f"{folder}: holds no image ({', '.join(IMAGE_ENDINGS)}; subfolders are not searched)"
        )
    images, problems = _without_twins(images)
    masks, mask_problems = _masks(root / "masks", {path.stem for path in images})
    matched = tuple(masks.get(path.stem) for path in images)
    notes = _strangers(folder) if folder != root else ()
    return FolderFiles(
        images=tuple(images),
        masks=matched,
        notes=(*notes, *_unmasked(images, matched)),
        problems=(*problems, *mask_problems),
    )


def _without_twins(images: list[Path]) -> tuple[list[Path], list[str]]:
    """The images of unique stem; a mask or a row of labels.csv could mean either of two twins."""
    first: dict[str, Path] = {}
    problems = []
    for path in images:
        twin = first.setdefault(path.stem, path)
        if twin is not path:
            problems.append(
                f"{path}: has the same name before the ending as {twin.name}; "
                "masks and labels could not tell them apart"
            )
    return list(first.values()), problems


def _masks(folder: Path, stems: set[str]) -> tuple[dict[str, Path], list[str]]:
    masks: dict[str, Path] = {}
    problems = []
    for path in list_files(folder) if folder.is_dir() else []:
        if path.suffix.lower() != ".png":
            problems.append(f"{path}: masks are PNG files, masks/STEM.png")
        elif path.stem not in stems:
            problems.append(f"{path}: there is no image of that name for this mask")
        else:
            masks[path.stem] = path
    return masks, problems


def _strangers(folder: Path) -> tuple[str, ...]:
    others = [path.name for path in list_files(folder) if not is_image(path)]
    if not others:
        return ()
    return (f"files in {folder.name}/ that are no images: {len(others)} (first: {others[0]})",)


def _unmasked(images: list[Path], masks: tuple[Path | None, ...]) -> tuple[str, ...]:
    bare = [path.name for path, mask in zip(images, masks, strict=True) if mask is None]
    if not bare:
        return ()
    return (f"{len(bare)} of {len(images)} images have no mask (first: {bare[0]})",)
