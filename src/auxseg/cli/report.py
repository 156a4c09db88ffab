"""``auxseg report``: tables and one page about any runs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from auxseg.config.command_line import verb_parser


def report(arguments: Sequence[str]) -> int:
    """write tables and one HTML page about any finished runs"""
    from auxseg.report.page import write_report

    parser = verb_parser("report", report, "auxseg report runs/a runs/b --out report")
    parser.add_argument("runs", nargs="+", help="run directories")
    parser.add_argument("--out", required=True, help="the folder for page and tables")
    parser.add_argument("--root", help="where the data lie now, if moved")
    parsed = parser.parse(arguments)
    out = Path(parsed.out)
    written = write_report(out, parsed.runs, parsed.root)
    print(f"written: {out / 'report.html'}, {written.table}, .csv and .tex, {out / 'figures'}")
    return 0
