"""auxseg: multi-task image segmentation, and the evidence of which auxiliary tasks help.

>>> import auxseg
>>> result = auxseg.train("mtan-3task", data="shapes", weights="none")  # doctest: +SKIP
>>> auxseg.load(result.run_dir).predict("cat.jpg").mask  # doctest: +SKIP
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from auxseg.errors import AuxsegError, DataError, TrainingError, UsageError

if TYPE_CHECKING:
    from auxseg.api import TorchData, configure, fit, load, network, train

__all__ = [
    "AuxsegError",
    "DataError",
    "TorchData",
    "TrainingError",
    "UsageError",
    "configure",
    "fit",
    "load",
    "network",
    "train",
]


def __getattr__(name: str) -> Any:
    # Lightning takes seconds to import; `auxseg --help` need not wait for it.
    if name in ("TorchData", "configure", "fit", "load", "network", "train"):
        from auxseg import api

        return getattr(api, name)
    raise AttributeError(f"module 'auxseg' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
