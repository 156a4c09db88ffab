"""Random numbers that depend on a seed and a name, and on nothing else."""

from __future__ import annotations

import hashlib

import torch


def keyed_seed(seed: int, name: str) -> int:
    """A seed for one named thing, from 0 to 2⁶³ − 1."""
    digest = hashlib.sha256(f"{seed}/{name}".encode()).digest()
    return int.from_bytes(digest[:8], "little") >> 1


def keyed_generator(seed: int, name: str) -> torch.Generator:
    """A random generator for one named thing."""
    return torch.Generator().manual_seed(keyed_seed(seed, name))
