"""Which files of a user's folder are images, and which mask belongs to which image."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from auxseg.data.files import IMAGE_ENDINGS, is_image, left_out, list_files, unread
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


def has_layout(root: Path) -> bool:
    """Whether a folder has labels where they are looked for."""
    masks = root / "masks"
    drawn = masks.is_dir() and any(path.suffix.lower() == ".png" for path in list_files(masks))
    return drawn or (root / "labels.csv").exists()


def find_files(root: Path) -> FolderFiles:
    """Lists ``images/`` (or the folder itself, where there is no ``images/``) and ``masks/``.

    Raises:
        DataError: there is no image.
    """
    folder = root / "images" if (root / "images").is_dir() else root
    images = [path for path in list_files(folder) if is_image(path)]
    if not images:
        further = "; ".join(left_out(folder)) or "subfolders are not searched"
        raise DataError(f"{folder}: holds no image ({', '.join(IMAGE_ENDINGS)}; {further})")
    images, problems = _without_twins(images)
    strange = {path.stem: path for path in list_files(folder) if unread(path)}
    masks, mask_problems = _masks(root / "masks", {path.stem for path in images}, strange)
    matched = tuple(masks.get(path.stem) for path in images)
    notes = left_out(folder) if folder != root else ()
    return FolderFiles(
        images=tuple(images),
        masks=matched,
        notes=(*notes, *_masks_below(root / "masks"), *_unmasked(images, matched)),
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


def _masks(
    folder: Path, stems: set[str], unread_images: dict[str, Path]
) -> tuple[dict[str, Path], list[str]]:
    masks: dict[str, Path] = {}
    problems = []
    for path in list_files(folder) if folder.is_dir() else []:
        if path.suffix.lower() != ".png":
            problems.append(
                f"{path}: masks are PNG files, masks/STEM.png; "
                "`auxseg data convert` makes them of others"
            )
        elif path.stem in unread_images and path.stem not in stems:
            photo = unread_images[path.stem]
            problems.append(
                f"{path}: its photo {photo.name} is in a format that is not read "
                f"({unread(photo)}); convert it to JPEG or PNG"
            )
        elif path.stem not in stems:
            problems.append(f"{path}: there is no image of that name for this mask")
        else:
            masks[path.stem] = path
    return masks, problems


def _masks_below(folder: Path) -> tuple[str, ...]:
    """Sub-folders of ``masks/`` are not read either."""
    below = [path for path in folder.iterdir() if path.is_dir()] if folder.is_dir() else []
    count = sum(file.suffix.lower() == ".png" for path in below for file in path.rglob("*"))
    if not count:
        return ()
    return (
        f"{folder}: {count} masks in sub-folders are not read; `auxseg data convert` reads them",
    )


def _unmasked(images: list[Path], masks: tuple[Path | None, ...]) -> tuple[str, ...]:
    bare = [path.name for path, mask in zip(images, masks, strict=True) if mask is None]
    if not bare:
        return ()
    return (f"{len(bare)} of {len(images)} images have no mask (first: {bare[0]})",)
