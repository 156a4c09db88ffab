"""``auxseg data convert``: labels of another tool → the folder that auxseg reads."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auxseg.config.command_line import verb_parser
from auxseg.errors import UsageError


def data_convert(arguments: Sequence[str]) -> int:
    """make the folder layout from COCO, LabelMe, VOC, CVAT, YOLO or masks of any kind"""
    from auxseg.data.datasets.folder.masks import check_ignore_index, read_classes, read_palette
    from auxseg.data.formats import FORMATS
    from auxseg.data.formats.base import Options
    from auxseg.data.formats.convert import convert
    from auxseg.types import IGNORE_INDEX

    example = "auxseg data convert labelled --out photos"
    parser = verb_parser("data convert", data_convert, example)
    parser.add_argument("source", help="the folder of photos and labels, or one COCO file")
    parser.add_argument("--out", required=True, help="the folder to write; empty or not there")
    parser.add_argument("--from", dest="format", help=f"{', '.join(FORMATS)}; found out by default")
    parser.add_argument(
        "--classes", help="a file of the classes' names, one per line, in the order wanted"
    )
    parser.add_argument(
        "--palette", help="a file of the masks' colours, lines R G B NAME, the background first"
    )
    parser.add_argument(
        "--ignore-index", type=int | None, help="the value of masks that means not labelled"
    )
    parser.add_argument(
        "--folder-classes",
        action="store_true",
        help="the class of a photo, which labels.csv keeps, is the folder that it lies in "
        "(cats/1.jpg)",
    )
    parsed = parser.parse(arguments)
    check_ignore_index(parsed.ignore_index)
    classes: tuple[str, ...] = ()
    palette = None
    if parsed.palette is not None and parsed.classes is not None:
        raise UsageError("--classes: has no effect with --palette, which names the classes")
    if parsed.palette is not None:
        classes, palette = read_palette(Path(parsed.palette).expanduser())
    if parsed.classes is not None:
        classes = read_classes(Path(parsed.classes).expanduser())
    options = Options(classes, palette, parsed.ignore_index, parsed.folder_classes)
    done = convert(Path(parsed.source), Path(parsed.out), parsed.format, options)
    for line in done.journal.printed():
        print(line)
    print()
    print(_table(done.journal.summary()))
    print(f"\n{done.photos} photos, {done.masks} with a mask; classes: {', '.join(done.classes)}")
    ignored = f" --ignore-index {IGNORE_INDEX}" if done.ignored else ""
    print(f"written: {done.out}\nnext: auxseg data check {done.out}{ignored}")
    return 0


def _table(summary: Sequence[tuple[str, str, int]]) -> str:
    """What happened and how often, as plain text."""
    rows = [(kind, str(count), matter) for kind, matter, count in summary]
    width = max((len(kind) for kind, _, _ in rows), default=0)
    digits = max((len(count) for _, count, _ in rows), default=0)
    return "\n".join(
        f"{kind:{width}}  {count:>{digits}} ×  {matter}" for kind, count, matter in rows
    )
