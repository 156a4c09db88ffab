"""``auxseg data init``: a commented configuration for a folder of photos."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from auxseg.config.command_line import verb_parser
from auxseg.errors import DataError


def data_init(arguments: Sequence[str]) -> int:
    """write a commented configuration with what the folder's labels allow"""
    from auxseg.data.checks import FILE_BASED, check_root, detect
    from auxseg.runs.files import write_text

    parser = verb_parser("data init", data_init, "auxseg data init photos")
    parser.add_argument("root", help="the data set's folder")
    parser.add_argument("--out", help="the file to write; by default auxseg.yaml in this directory")
    parser.add_argument("--data", help=f"{', '.join(FILE_BASED)}; found out by default")
    parser.add_argument(
        "--ignore-index", type=int | None, help="the value of masks that means not labelled"
    )
    parsed = parser.parse(arguments)
    root, out = Path(parsed.root), Path(parsed.out or "auxseg.yaml")
    if out.exists():
        raise DataError(f"{out}: is there already; name another file with --out")
    options = {} if parsed.ignore_index is None else {"ignore_index": parsed.ignore_index}
    name = parsed.data or detect(root)
    report = check_root(root, name, **options)
    report.stop_on_problems(root)
    write_text(out, configuration(report, root, name, options))
    run = shlex.quote(f"runs/{root.resolve().name}")
    print(f"written: {out}\nnext: auxseg train --config {shlex.quote(str(out))} --out {run}")
    return 0


def configuration(report: Any, root: Path, name: str, options: Mapping[str, Any]) -> str:
    """The YAML file's text.

    Args:
        report: of :func:`auxseg.data.checks.check_root`.
        options: of the data set.
    """
    import numpy as np
    import yaml

    from auxseg.config.presets import RECOMMENDED

    sizes = np.array([one.size for one in report.findings if one.size is not None])
    width, height = np.median(sizes, axis=0).astype(int).tolist()
    parts = ", ".join(f"{part} {report.counts[f'images in {part}']}" for part in _PARTS)
    ignored = options.get("ignore_index")
    return _TEMPLATE.format(
        name=root.resolve().name,
        out=root.resolve().name,
        images=report.counts["images"],
        masks=report.counts["with mask"],
        parts=parts,
        classes=_commented(report.dataset.mask_classes),
        preset=RECOMMENDED,
        data=name,
        # As YAML writes it: a folder may be called `a: b`.
        root=yaml.safe_dump(
            str(root.resolve()), allow_unicode=True, width=float("inf")
        ).splitlines()[0],
        ignore=f"  ignore_index: {ignored}" if ignored is not None else "  # ignore_index: 255",
        width=width,
        height=height,
        tasks="\n".join(_tasks(report)),
    )


_PARTS = ("train", "val", "test")


def _commented(names: Sequence[str]) -> str:
    """The classes in lines of a comment."""
    return "\n".join(f"#   {number} {name}" for number, name in enumerate(names)) or "#   none"


def _tasks(report: Any) -> list[str]:
    """What else the labels allow to learn, each as a comment."""
    from auxseg.tasks import TASKS

    counts = report.counts
    has = {"mask": counts["with mask"], "label": counts["with class"], "box": counts["with box"]}
    lines: list[str] = []
    for name, task in TASKS.items():
        if name == "segmentation":
            continue
        count = has.get(str(task.LABEL))
        if count == "0":
            continue
        if task.ASKS_TEACHER:
            bare = int(counts["readable"]) - int(counts["with mask"])
            if bare:
                lines.append(f"  #   {name}: from {bare} photos without a mask (preset unet-semi)")
        elif not task.SHAREABLE:
            lines.append(f"  #   {name}: from every photo (with views: per-task)")
        elif count is None:
            lines.append(f"  #   {name}: from every photo")
        else:
            lines.append(f"  #   {name}: from {count} photos")
    return lines


_TEMPLATE = """\
# {name}: {images} images, {masks} with a mask ({parts}).
# Classes:
{classes}
#
# Train with it:   auxseg train --config THIS_FILE --out runs/{out}
# Options of the command line win over it; `auxseg train --help` lists all of them.

# A U-Net on a small pre-trained encoder. `auxseg presets` lists the others.
preset: {preset}

data:
  name: {data}
  root: {root}
  # Photos are brought to squares of so many pixels (the median photo has {width} × {height}).
  # Larger finds smaller things; the time of a step grows with its square.
  image_size: 224
  # stretch, letterbox (keeps a photo's shape), tile (crops at the photo's own size, for small
  # things in large photos).
  fit: stretch
  # The value of masks that means "not labelled".
{ignore}

tasks:
  # segmentation is what counts; the network can learn these from your labels, too:
{tasks}
  # Whether one helps is a question for `auxseg study`; on the photos tried so far none did
  # (docs/findings.md).
  names: [segmentation]

training:
  # Steps of batch_size photos. With 30 masks more of them gained nothing (docs/experiments.md).
  steps: 600
  batch_size: 8
  # The seed of weights, order and augmentation.
  seed: 0

augmentation:
  # The probability that a photo is mirrored: 0 where left and right mean something.
  flip: 0.5
"""
