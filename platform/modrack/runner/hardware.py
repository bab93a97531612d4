"""What there is to run on. Probed once; the plan sees only this record, so tests can make hardware up."""

from __future__ import annotations

import os
import platform
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Hardware:
    """`memory` bytes of the accelerator, `host_memory` of the machine; `capability` is CUDA's (major, minor)."""

    accelerator: str | None = None
    name: str = ""
    count: int = 0
    capability: tuple[int, int] | None = None
    memory: int = 0
    cores: int = 1
    host_memory: int = 0
    cpu: str = ""
    cpu_bf16: bool = False

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


@cache
def probe() -> Hardware:
    """This machine."""
    import torch

    flags = _cpu_flags()
    accelerator = torch.accelerator.current_accelerator() if torch.accelerator.is_available() else None
    kind = accelerator.type if accelerator is not None else None
    name, capability, memory = "", None, 0
    if kind == "cuda":
        properties = torch.cuda.get_device_properties(0)
        name, memory = properties.name, properties.total_memory
        capability = (properties.major, properties.minor)
    elif kind == "mps":
        name, memory = "Apple GPU", torch.mps.recommended_max_memory()
    return Hardware(
        accelerator=kind,
        name=name,
        count=torch.accelerator.device_count() if kind else 0,
        capability=capability,
        memory=memory,
        cores=len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1,
        host_memory=_host_memory(),
        cpu=_cpu_name(),
        cpu_bf16=bool(flags & {"avx512_bf16", "amx_bf16"}),
    )


def _cpu_flags() -> set[str]:
    return set(_cpuinfo("flags").split())


def _cpu_name() -> str:
    return _cpuinfo("model name") or platform.processor() or platform.machine()


def _cpuinfo(key: str) -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text("utf-8").splitlines():
            if line.startswith(key):
                return line.partition(":")[2].strip()
    except OSError:
        pass
    return ""


def _host_memory() -> int:
    try:
        return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    except (ValueError, OSError, AttributeError):
        return 0
