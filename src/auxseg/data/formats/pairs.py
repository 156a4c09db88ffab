"""Which picture is a mask, and of which photo: by the names of folders and files."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePath

from auxseg.data.files import IMAGE_ENDINGS, is_image
from auxseg.data.formats.files import agree, files_below, part_of
from auxseg.data.formats.journal import Journal

#: Folders of masks, in small letters and without signs: what their names hold,
_MASK_WORDS = ("mask", "annot", "label", "segm", "groundtruth", "trimap")
#: or what they are.
_MASK_NAMES = frozenset({"gt", "seg", "target", "targets"})
#: Words for photos that have labels, or have none.
_LABELLED = ("labelled", "labeled", "annotated", "unlabelled", "unlabeled", "labelme", "labelimg")
#: Words in names of folders whose pictures are neither photos nor masks of classes.
_OTHERS = ("segmentationobject", "instance", "overlay", "preview", "visuali", "maskshuman")
#: Folders of photos: their names say nothing of which mask belongs to which photo.
_PHOTO_FOLDERS = frozenset(
    {"image", "images", "img", "imgs", "photo", "photos", "jpegimages", "jpeg", "input", "inputs"}
)
#: What a mask's name has behind its photo's, after a sign.
_ENDINGS = ("mask", "masks", "label", "labels", "seg", "segmentation", "gt", "groundtruth")
_SIGNS = "_-. "


def folder_class(photo: PurePath) -> str | None:
    """The class that a photo's folder says; None of a folder that holds photos of any.

    Args:
        photo: its path in the source.
    """
    folder = photo.parent.name
    if not folder or folder.lower() in _PHOTO_FOLDERS or part_of(PurePath(folder)) is not None:
        return None
    return folder


@dataclass(frozen=True)
class MaskFile:
    """One picture of a mask.

    Attributes:
        category: the class that its name or folder says that it is of; None for a mask of all.
        by_folder: whether a folder says so, which may be a batch as well, and not a name.
    """

    path: Path
    category: str | None = None
    by_folder: bool = False


@dataclass(frozen=True)
class Pairs:
    """The photos of a source and their masks.

    Attributes:
        photos: in byte order.
        masks: photo → its masks; photos without one are missing.
        lonely: masks whose photo is not there, or may be one of several.
    """

    photos: tuple[Path, ...]
    masks: Mapping[Path, tuple[MaskFile, ...]]
    lonely: tuple[Path, ...]

    @property
    def by_class(self) -> bool:
        """Whether there is a mask for each class, and not one for all."""
        every = [one for masks in self.masks.values() for one in masks]
        return bool(every) and 2 * sum(one.category is not None for one in every) > len(every)

    @property
    def files(self) -> list[Path]:
        """All masks that have a photo."""
        return [one.path for masks in self.masks.values() for one in masks]


def find_pairs(source: Path) -> Pairs:
    """Looks for masks in folders of their own, then beside the photos by the ends of their names.

    A mask belongs to the photo of the same name, in the same sub-folder where there are several;
    ``1`` is never taken for the beginning of ``10``: what follows a photo's name begins with a
    sign.
    """
    pictures = [path for path in files_below(source) if is_image(path)]
    others = {path for path in pictures if any(map(_of_others, _folders(path, source)))}
    inside = {path for path in pictures if any(map(_of_masks, _folders(path, source)))} - others
    masks = [path for path in pictures if path in inside]
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
    return _Matching(source, photos).pairs(masks)


def of_one_kind(pairs: Pairs, journal: Journal, source: Path) -> dict[Path, MaskFile]:
    """Photo → its one mask; of several none is taken, and the journal says so.

    A mask whose name has more behind its photo's is of another photo, which is not there.
    """
    chosen = {}
    for photo, masks in pairs.masks.items():
        whole = [one for one in masks if one.category is None or one.by_folder]
        for one in masks:
            if one not in whole:
                _tell(one.path, journal, source)
        if len(whole) == 1:
            chosen[photo] = whole[0]
        elif whole:
            about = journal.about(photo.relative_to(source).as_posix())
            names = ", ".join(one.path.relative_to(source).as_posix() for one in whole[:3])
            about.unreadable("several masks of one photo", names)
            journal.take(about)
    return chosen


def tell_lonely(pairs: Pairs, journal: Journal, source: Path) -> None:
    """Masks without a photo are left out, each with a line."""
    for path in pairs.lonely:
        _tell(path, journal, source)


def _tell(mask: Path, journal: Journal, source: Path) -> None:
    about = journal.about(mask.relative_to(source).as_posix())
    about.left_out("a mask whose photo is not there, or may be one of several")
    journal.take(about)


def _folders(path: Path, source: Path) -> set[str]:
    return {_letters(part) for part in path.relative_to(source).parts[:-1]}


def _of_others(letters: str) -> bool:
    return any(word in letters for word in _OTHERS)


def _of_masks(letters: str) -> bool:
    """Whether a folder's name, in small letters, says that it holds masks."""
    if letters in _MASK_NAMES:
        return True
    return any(word in letters for word in _MASK_WORDS) and not letters.startswith(_LABELLED)


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _before_ending(stem: str) -> list[str]:
    """What a mask's name leaves when ``_mask`` or the photo's ending (``1.jpg.png``) is cut off."""
    small = stem.lower()
    found = []
    for ending in _ENDINGS:
        if small.endswith(ending) and len(stem) > len(ending) + 1:
            rest = stem[: -len(ending)]
            found += [rest[:-1]] if rest[-1] in _SIGNS else []
    if Path(small).suffix in IMAGE_ENDINGS:
        found.append(Path(stem).stem)
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


class _Matching:
    """Finds each mask's photo."""

    def __init__(self, source: Path, photos: Sequence[Path]) -> None:
        self.source, self.photos = source, photos
        self._stems: defaultdict[str, list[Path]] = defaultdict(list)
        self._placed: defaultdict[tuple[str, tuple[str, ...]], list[Path]] = defaultdict(list)
        for photo in photos:
            self._stems[photo.stem].append(photo)
            self._placed[photo.stem, self._around(photo)].append(photo)

    def pairs(self, masks: Sequence[Path]) -> Pairs:
        found: defaultdict[Path, list[MaskFile]] = defaultdict(list)
        lonely = []
        for mask in masks:
            match = self._match(mask)
            if match is None:
                lonely.append(mask)
            else:
                found[match[0]].append(match[1])
        whole = {photo: tuple(ones) for photo, ones in found.items()}
        return Pairs(tuple(self.photos), _without_wrapper(whole), tuple(lonely))

    def _match(self, mask: Path) -> tuple[Path, MaskFile] | None:
        """A mask's photo, and the class that its name or folder says."""
        around = self._around(mask)
        for stem in (mask.stem, *_before_ending(mask.stem)):
            if stem not in self._stems:
                continue
            # Folders that the photo does not have: masks/CLASS/STEM.png, masks/STEM/STEM.png.
            for inner in range(len(around), -1, -1):
                photo = self._one(stem, around[:inner], mask)
                if photo is not None:
                    extra = [one for one in around[inner:] if one != photo.stem]
                    return photo, MaskFile(mask, extra[-1] if extra else None, by_folder=True)
            return None
        if around and around[-1] in self._stems:  # masks/STEM/CLASS.png
            photo = self._one(around[-1], around[:-1], mask)
            return None if photo is None else (photo, MaskFile(mask, mask.stem))
        # STEM_CLASS.png: the longest photo's name that it begins with, up to a sign.
        for end in range(len(mask.stem) - 1, 0, -1):
            if mask.stem[end] in _SIGNS and mask.stem[:end] in self._stems:
                photo = self._one(mask.stem[:end], around, mask)
                named = MaskFile(mask, mask.stem[end + 1 :])
                return None if photo is None else (photo, named)
        return None

    def _one(self, stem: str, around: tuple[str, ...], mask: Path) -> Path | None:
        """The one photo of that name in those folders, and of no other part than the mask."""
        part = part_of(mask.parent.relative_to(self.source))
        placed = self._placed.get((stem, around), [])
        if not placed and not around and len(self._stems[stem]) == 1:
            placed = self._stems[stem]  # photos in sub-folders, masks in one
        found = [
            photo for photo in placed if agree(part, part_of(photo.parent.relative_to(self.source)))
        ]
        return found[0] if len(found) == 1 else None

    def _around(self, path: Path) -> tuple[str, ...]:
        """The folders around a file that tell it from others of its name; parts tell by
        themselves."""
        folders = path.relative_to(self.source).parts[:-1]
        return tuple(one for one in folders if not _is_plain(one))


def _is_plain(folder: str) -> bool:
    letters = _letters(folder)
    return letters in _PHOTO_FOLDERS or _of_masks(letters) or part_of(Path(folder)) is not None


def _without_wrapper(
    masks: Mapping[Path, tuple[MaskFile, ...]],
) -> dict[Path, tuple[MaskFile, ...]]:
    """One mask of each photo, all in one more folder: that is no class (``masks/v2/STEM.png``)."""
    every = [one for ones in masks.values() for one in ones]
    single = all(len(ones) == 1 for ones in masks.values())
    if not single or len({one.category for one in every}) != 1:
        return dict(masks)
    return {photo: (replace(ones[0], category=None),) for photo, ones in masks.items()}
