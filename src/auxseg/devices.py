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


def sent(tensor: torch.Tensor, device: torch.device) -> torch.Tensor:
    """A small tensor's copy on a device. Nobody waits for it, nor for what a GPU is at work on."""
    if device.type == "cuda" and tensor.device.type == "cpu":
        return tensor.pin_memory().to(device, non_blocking=True)
    return tensor.to(device)


def fast_bfloat16(device: torch.device) -> bool:
    """Whether 16-bit brain floats are computed, and not imitated, which takes a hundred times as
    long: on CUDA GPUs from Ampere on, and on CPUs with AMX or AVX-512 BF16."""
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device) >= (8, 0)
    return device.type == "cpu" and any(
        # Private names, the same in PyTorch 2.11 to 2.14; without them nothing is assumed.
        getattr(torch.cpu, name, bool)()
        for name in ("_is_amx_tile_supported", "_is_avx512_bf16_supported")
    )
