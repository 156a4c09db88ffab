"""Which picture is a mask, and of which photo: by the names of folders and files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from auxseg.data.files import is_image
from auxseg.data.formats.files import files_below, part_of
from auxseg.data.formats.journal import Journal

#: Folders of masks, in small letters and without signs: what their names hold,
_MASK_WORDS = ("mask", "annot", "label", "segm", "groundtruth", "trimap")
#: or what they are.
_MASK_NAMES = frozenset({"gt", "seg", "target", "targets"})
#: Words for photos that have labels.
_LABELLED = ("labelled", "labeled", "annotated")
#: Folders of pictures that are neither photos nor masks of classes.
_OTHER_FOLDERS = frozenset({"segmentationobject", "instances", "overlay", "overlays", "preview"})
#: Folders of photos: their names say nothing of which mask belongs to which photo.
_PHOTO_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "photo", "photos", "jpegimages", "jpeg", "input", "inputs"}
)
#: What a mask's name has behind its photo's, after a sign or none.
_ENDINGS = ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "groundtruth")
_SIGNS = "_-. "


@dataclass(frozen=True)
class MaskFile:
    """One picture of a mask.

    Attributes:
        category: the class that its name or folder says that it is of; None for a mask of all.
    """

    path: Path
    category: str | None = None


@dataclass(frozen=True)
class Pairs:
    """The photos of a source and their masks.

    Attributes:
        photos: in byte order.
        masks: photo → its masks; photos without one are missing.
        lonely: masks whose photo is not there.
    """

    photos: tuple[Path, ...]
    masks: Mapping[Path, tuple[MaskFile, ...]]
    lonely: tuple[Path, ...]

    @property
    def by_class(self) -> bool:
        """Whether there is a mask for each class, and not one for all."""
        every = [one for masks in self.masks.values() for one in masks]
        return bool(every) and 2 * sum(one.category is not None for one in every) > len(every)


def find_pairs(source: Path) -> Pairs:
    """Looks for masks in folders of their own, then beside the photos by the ends of their names.

    A mask belongs to the photo of the same name, in the same sub-folder where there are several;
    ``1`` is never taken for the beginning of ``10``: what follows a photo's name begins with a
    sign.
    """
    pictures = [path for path in files_below(source) if is_image(path)]
    inside = {path for path in pictures if any(map(_of_masks, _folders(path, source)))}
    others = {path for path in pictures if _folders(path, source) & _OTHER_FOLDERS}
    masks = [path for path in pictures if path in inside - others]
    photos = [path for path in pictures if path not in inside | others]
    if not masks:
        stems = {(path.parent, path.stem) for path in photos}
        masks = [
            path
            for path in photos
            if any((path.parent, stem) in stems for stem in _before_ending(path.stem))
        ]
        masks = masks or _same_stem(photos)
        found = set(masks)
        photos = [path for path in photos if path not in found]
    return _paired(source, photos, masks)


def of_one_kind(pairs: Pairs, journal: Journal, source: Path) -> dict[Path, MaskFile]:
    """Photo → its one mask; of several none is taken, and the journal says so."""
    chosen = {}
    for photo, masks in pairs.masks.items():
        if len(masks) == 1:
            chosen[photo] = masks[0]
        else:
            about = journal.about(photo.relative_to(source).as_posix())
            names = ", ".join(one.path.relative_to(source).as_posix() for one in masks[:3])
            about.unreadable("several masks of one photo", names)
            journal.take(about)
    return chosen


def tell_lonely(pairs: Pairs, journal: Journal, source: Path) -> None:
    """Masks without a photo are left out, each with a line."""
    for path in pairs.lonely:
        about = journal.about(path.relative_to(source).as_posix())
        about.left_out("a mask whose photo is not there")
        journal.take(about)


def _folders(path: Path, source: Path) -> set[str]:
    return {_letters(part) for part in path.relative_to(source).parts[:-1]}


def _of_masks(letters: str) -> bool:
    """Whether a folder's name, in small letters, says that it holds masks."""
    if letters in _MASK_NAMES:
        return True
    return any(word in letters for word in _MASK_WORDS) and not letters.startswith(_LABELLED)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _before_ending(stem: str) -> list[str]:
    """What a mask's name leaves when ``_mask`` and the like are taken off."""
    small = stem.lower()
    found = []
    for ending in _ENDINGS:
        if small.endswith(ending) and len(stem) > len(ending):
            rest = stem[: -len(ending)]
            found += [rest[:-1]] if rest[-1] in _SIGNS and len(rest) > 1 else []
    return found


def _same_stem(photos: Sequence[Path]) -> list[Path]:
    """PNG files beside a JPEG of the same name."""
    jpegs = {
        (path.parent, path.stem) for path in photos if path.suffix.lower() in (".jpg", ".jpeg")
    }
    return [
        path
        for path in photos
        if path.suffix.lower() == ".png" and (path.parent, path.stem) in jpegs
    ]


def _paired(source: Path, photos: Sequence[Path], masks: Sequence[Path]) -> Pairs:
    by_stem: defaultdict[str, list[Path]] = defaultdict(list)
    for photo in photos:
        by_stem[photo.stem].append(photo)
    found: defaultdict[Path, list[MaskFile]] = defaultdict(list)
    lonely = []
    for mask in masks:
        match = _match(source, mask, by_stem)
        if match is None:
            lonely.append(mask)
        else:
            photo, category = match
            found[photo].append(MaskFile(mask, category))
    return Pairs(
        tuple(photos), {photo: tuple(ones) for photo, ones in found.items()}, tuple(lonely)
    )


def _match(
    source: Path, mask: Path, photos: Mapping[str, list[Path]]
) -> tuple[Path, str | None] | None:
    """A mask's photo, and the class that it is of where its name or folder says one."""
    around = _remaining(mask, source)
    for stem in (mask.stem, *_before_ending(mask.stem)):
        if stem in photos:
            photo = _nearest(photos[stem], around, source)
            # masks/CLASS/STEM.png: a folder that the photo does not have around it.
            extra = [one for one in around if one not in _remaining(photo, source)]
            extra = [one for one in extra if part_of(Path(one)) is None]
            return photo, extra[-1] if extra else None
    if around and around[-1] in photos:  # masks/STEM/CLASS.png
        return _nearest(photos[around[-1]], around[:-1], source), mask.stem
    # STEM_CLASS.png: the longest photo's name that it begins with, up to a sign.
    for end in range(len(mask.stem) - 1, 0, -1):
        if mask.stem[end] in _SIGNS and mask.stem[:end] in photos:
            return _nearest(photos[mask.stem[:end]], around, source), mask.stem[end + 1 :]
    return None


def _remaining(path: Path, source: Path) -> tuple[str, ...]:
    """The folders around a file that tell it from others of its name."""
    folders = path.relative_to(source).parts[:-1]
    return tuple(
        one
        for one in folders
        if _letters(one) not in _PHOTO_FOLDERS and not _of_masks(_letters(one))
    )


def _nearest(photos: Sequence[Path], around: tuple[str, ...], source: Path) -> Path:
    """Of photos of one name, the one that shares most folders with its mask."""
    return max(photos, key=lambda photo: len(set(_remaining(photo, source)) & set(around)))
