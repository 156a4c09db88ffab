"""Which format a source is in."""

from __future__ import annotations

from pathlib import Path

from auxseg.data.datasets.folder.files import has_layout
from auxseg.data.datasets.oxford_pet.dataset import OxfordPet
from auxseg.data.formats import FORMATS, Format
from auxseg.data.formats.base import Options
from auxseg.data.formats.black_white import BlackWhite
from auxseg.data.formats.class_masks import ClassMasks
from auxseg.data.formats.colours import Colours
from auxseg.data.formats.contents import forget
from auxseg.data.formats.files import files_below, read_json
from auxseg.data.formats.indices import Indices
from auxseg.data.formats.journal import Journal
from auxseg.data.options import one_of
from auxseg.errors import DataError

#: Formats that pictures alone show: with a label file beside them they say the same again.
_OF_PICTURES = frozenset({"class-masks", "indices", "black-white", "colours", "alpha"})


def recognise(source: Path, name: str | None, options: Options, journal: Journal) -> type[Format]:
    """The format of a source: the one named, else the one that its files show.

    Raises:
        UsageError: there is no format of that name.
        DataError: no such source; it shows no format, or several.
    """
    forget()
    if not source.exists():
        raise DataError(f"{source}: no such file or folder")
    if name is not None:
        return FORMATS[one_of("--from", name, tuple(FORMATS))]
    if source.is_dir() and OxfordPet.recognises(source):
        raise DataError(f"{source}: is read as it is: --data oxford-pet --root {source}")
    shown = shown_formats(source)
    if not shown:
        raise DataError(f"{source}: {_nothing(source)}")
    labels = [one for one in shown if one not in _OF_PICTURES]
    if len(labels) > 1:
        texts = " and ".join(f"{FORMATS[one].TITLE} ({shown[one]})" for one in labels[:2])
        raise DataError(f"{source}: holds {texts}; say which to convert with --from {labels[0]}")
    chosen = labels[0] if labels else next(iter(shown))
    # What only one way of reading masks has a use for says how they are to be read.
    if not labels and options.palette is not None:
        chosen, shown = Colours.NAME, {Colours.NAME: "--palette was given"}
    elif chosen == BlackWhite.NAME and options.ignore_index is not None:
        chosen, shown = Indices.NAME, {Indices.NAME: "--ignore-index was given"}
    journal.decided(f"the format is {chosen}: {shown[chosen]}")
    pictures = [one for one in shown if one in _OF_PICTURES] if labels else []
    if pictures and chosen not in ("voc", "cvat"):
        journal.left_out(
            f"masks as pictures beside {FORMATS[chosen].TITLE} (--from {pictures[0]} reads them)",
            shown[pictures[0]],
        )
    return FORMATS[chosen]


def shown_formats(source: Path) -> dict[str, str]:
    """Name → what shows it, for every format that a source may be in."""
    found = {}
    for name, kind in FORMATS.items():
        if name in _OF_PICTURES and ClassMasks.NAME in found:
            continue  # its pictures are those
        evidence = kind.recognises(source)
        if evidence is not None:
            found[name] = evidence
    return found


def check_layout(root: Path) -> None:
    """Raises DataError for a folder whose labels are in another tool's format, and says which
    command converts it."""
    if not root.is_dir() or has_layout(root):
        return
    forget()
    inside = [path for path in sorted(root.iterdir()) if path.is_dir() and has_layout(path)]
    if len(inside) == 1:
        raise DataError(f"{root}: the data lie in {inside[0]}; name that folder")
    shown = shown_formats(root)
    if shown:
        name = next(iter(shown))
        raise DataError(
            f"{root}: its labels are in another format: {FORMATS[name].TITLE} ({shown[name]}); "
            f"`auxseg data convert {root} --out DIR` makes a folder that is read"
        )


def _nothing(source: Path) -> str:
    """Why no format was found."""
    if source.is_dir():
        for file in files_below(source):
            if file.suffix.lower() == ".json" and _is_label_studio(file):
                return f"{file.name} is Label Studio's own JSON; export it as COCO instead"
            if file.suffix.lower() == ".zip":
                return f"holds an archive, {file.name}; unpack it first"
    return f"no labels of a known format; known are {', '.join(FORMATS)}"


def _is_label_studio(file: Path) -> bool:
    try:
        content = read_json(file)
    except DataError:
        return False
    first = content[0] if isinstance(content, list) and content else None
    return isinstance(first, dict) and "annotations" in first and "data" in first
