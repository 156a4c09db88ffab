"""Other people's networks beside ours. Adding one is a file here and a line in :data:`PEERS`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from auxseg.bench.peers.base import Pair, Peer
from auxseg.bench.peers.mtan import mtan
from auxseg.bench.peers.smp import smp
from auxseg.config import Config
from auxseg.errors import UsageError

__all__ = ["PEERS", "Pair", "find_pairs", "parse_peers"]

PEERS: dict[str, Peer] = {"mtan": mtan, "smp": smp}


def parse_peers(given: Sequence[str]) -> dict[str, Path | None]:
    """``NAME=PATH`` or ``NAME`` … → name → folder, checked."""
    found: dict[str, Path | None] = {}
    for entry in given:
        name, _, folder = entry.partition("=")
        if name not in PEERS:
            raise UsageError(f"--peer {name}: unknown; allowed are {', '.join(PEERS)}")
        found[name] = Path(folder).expanduser() if folder else None
    return found


def find_pairs(peers: Mapping[str, Path | None], configs: Mapping[str, Config]) -> dict[str, Pair]:
    """Title → pair, of all peers that were named."""
    pairs: dict[str, Pair] = {}
    for name, place in peers.items():
        pairs |= PEERS[name](place, configs)
    return pairs
