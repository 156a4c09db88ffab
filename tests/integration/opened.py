"""Counts how often a data set is opened, and how often its decoded images are."""

from __future__ import annotations

from collections import Counter
from functools import wraps
from typing import Any

import pytest

from auxseg.assembly import data as module
from auxseg.data import DATASETS
from auxseg.data.datasets.unlabelled import Unlabelled


def count_opened(patch: pytest.MonkeyPatch) -> Counter[str]:
    """From now on: class name of a data set → how often it was made; ``decoded`` → …"""
    found: Counter[str] = Counter()
    for cls in (*DATASETS.values(), Unlabelled):
        patch.setattr(cls, "__init__", _counting(cls.__init__, cls.__name__, found))
    patch.setattr(module, "decoded", _counting(module.decoded, "decoded", found))
    return found


def _counting(function: Any, name: str, found: Counter[str]) -> Any:
    @wraps(function)
    def counting(*arguments: Any, **options: Any) -> Any:
        found[name] += 1
        return function(*arguments, **options)

    return counting
