"""The options of verbs that average several answers."""

from __future__ import annotations

from auxseg.config.command_line import Parser


def add_averaging(parser: Parser, members: str) -> None:
    """Adds ``--with`` (as ``others``) and ``--tta``.

    Args:
        members: what may stand behind ``--with``, in the plural.
    """
    parser.add_argument(
        "--with",
        dest="others",
        type=tuple[str, ...],
        default=(),
        help=f"further {members} (A,B) whose answers are averaged with this one's",
    )
    parser.add_argument(
        "--tta",
        type=tuple[str, ...],
        default=(),
        help="look at each image several times and average: flip (mirrored as well), further "
        "scales, or both (flip,0.75,1.25)",
    )
