"""The names of a source's classes, the background first."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from auxseg.data.datasets.folder.masks import MAX_CLASSES
from auxseg.data.formats.base import BACKGROUND, Options
from auxseg.data.formats.journal import Journal
from auxseg.errors import DataError, UsageError

#: What people call the class of what is not drawn, in small letters and without signs.
_BACKGROUNDS = frozenset({"background", "bg"})


def is_background(name: str) -> bool:
    """Whether a class's name says that it is the background: ``_background_``, ``Background``."""
    return "".join(letter for letter in name.lower() if letter.isalnum()) in _BACKGROUNDS


def clean_name(name: object, number: int) -> str:
    """A class's name on one line, as classes.txt needs it; ``class N`` for an empty one."""
    text = "" if name is None else str(name).encode(errors="replace").decode()
    return " ".join(text.split()) or f"class {number}"


def named_classes(
    offered: Iterable[str], used: Iterable[str], options: Options, journal: Journal
) -> tuple[str, ...]:
    """The classes of a format that draws on a background.

    Args:
        offered: the names that the source has, in its order; one may be there more than once.
        used: those of them that something is drawn of.

    Returns:
        the background, then the names in use; what the user named, where they did.

    Raises:
        UsageError: the user's names lack one that is in use.
        DataError: more classes than a mask can hold.
    """
    listed, needed = list(offered), dict.fromkeys(used)
    names = list(dict.fromkeys(listed))
    if options.classes:
        lacking = [name for name in needed if name not in options.classes]
        if lacking:
            raise UsageError(
                f"--classes: {lacking[0]!r} is drawn in the source and is none of them: "
                f"{', '.join(options.classes)}"
            )
        first = options.classes[0]
        if first in needed and not is_background(first):
            raise UsageError(
                f"--classes: the first is class 0, what is not drawn, but {first!r} is drawn; "
                "begin the list with background"
            )
        return options.classes
    background = next((name for name in names if is_background(name)), BACKGROUND)
    kept = [name for name in names if name in needed and name != background]
    idle = [name for name in names if name not in needed and name != background]
    if idle:
        journal.left_out("classes that nothing is drawn of", ", ".join(idle))
    journal.decided(f"class 0 is {background!r}: what is not drawn")
    return limited([background, *kept])


def limited(names: Sequence[str]) -> tuple[str, ...]:
    """The names, or DataError where a mask cannot hold so many."""
    if len(names) > MAX_CLASSES:
        raise DataError(f"{len(names)} classes; masks hold {MAX_CLASSES} at most")
    return tuple(names)
