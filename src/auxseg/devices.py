"""Where networks run."""

from __future__ import annotations

import torch

from auxseg.errors import UsageError


def pick_device(accelerator: str) -> torch.device:
    """Lightning's accelerator name → a torch device; ``auto`` is the best there is."""
    usable = {
        "cuda": torch.cuda.is_available(),
        "mps": torch.backends.mps.is_available(),
        "cpu": True,
    }
    if accelerator == "auto":
        return torch.device(next(name for name, there in usable.items() if there))
    name = "cuda" if accelerator == "gpu" and usable["cuda"] else accelerator
    name = "mps" if name == "gpu" and usable["mps"] else name
    if not usable.get(name, False):
        allowed = ", ".join(["auto", *(name for name, there in usable.items() if there)])
        raise UsageError(f"--accelerator: {accelerator!r} cannot be used; allowed here: {allowed}")
    return torch.device(name)
