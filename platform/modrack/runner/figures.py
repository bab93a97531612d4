"""What a training cost: throughput, memory, and how much of the hardware it used."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from modrack.runner.rig import Rig

# Dense matrix operations a second in bf16 (or fp16 where there is no bf16), from the vendors' data sheets.
PEAKS = {
    "H200": 989e12,
    "H100 PCIe": 756e12,
    "H100": 989e12,
    "A100": 312e12,
    "A10G": 70e12,
    "L40S": 362e12,
    "L4": 121e12,
    "RTX 4090": 165e12,
    "RTX 3090": 71e12,
    "V100": 125e12,
    "T4": 65e12,
}


def figures(rig: Rig, rows: int, seconds: float) -> dict[str, Any]:
    """Of a training of `rows` in `seconds`: what its record keeps in `extra`.

    `peak_memory` bytes, of the accelerator where there is one; `flops_per_second` of forward and backward, on all
    processes together; `mfu` its share of what the device could do; tokens a second, real ones and with padding.
    """
    found: dict[str, Any] = {"peak_memory": peak_memory(rig.device)}
    if not seconds:
        return found
    speed = 3 * rig.facts.flops * rows / seconds
    if speed:
        found["flops_per_second"] = speed
        peak = peak_flops(rig.device)
        if peak is not None:
            found["mfu"] = speed / (peak * rig.engine.world)
    real, padded = rig.feeders["train"].tokens
    if padded:
        found["tokens_per_second"] = real * rig.engine.world / seconds
        found["padded_tokens_per_second"] = padded * rig.engine.world / seconds
    return found


def peak_memory(device: torch.device) -> int:
    """The most bytes that were held at once: by torch on the accelerator, else by this process."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    import resource
    import sys

    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most if sys.platform == "darwin" else most * 1024  # Linux counts in kilobytes


def peak_flops(device: torch.device, name: str | None = None) -> float | None:
    """What the device could do, where its data sheet is known here."""
    if name is None:
        if device.type != "cuda":
            return None
        name = torch.cuda.get_device_name(device)
    return next((peak for known, peak in PEAKS.items() if known in name), None)
