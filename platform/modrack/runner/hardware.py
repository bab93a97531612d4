"""What there is to run on. Probed once; the plan sees only this record, so tests can make hardware up."""

from __future__ import annotations

import os
import platform
import time
from dataclasses import asdict, dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from shutil import which
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
    # Whether torch.compile finds what it needs: a C++ compiler for CPUs, Triton and a C compiler for CUDA.
    compiles: bool = False
    # oneDNN's fp32 matrix multiply, where it was tried: (times as fast as torch's default, relative error).
    onednn_fp32: tuple[float, float] | None = None
    # Why kernels in C cannot be compiled here; None where they were.
    not_native: str | None = "only looked at for models of a million weights on a CPU"

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
        compiles=_compiles(kind),
    )


@cache
def probe_onednn() -> tuple[float, float]:
    """Try oneDNN's fp32 matrix multiply on this CPU: (times as fast as torch's default, relative error); 0.1 s.

    Told that bf16 is enough, oneDNN splits each fp32 number into three bf16 ones where the CPU multiplies bf16 but has
    no AMX, which is faster than torch's default on some CPUs and as exact; with AMX it may really compute in bf16.
    """
    import torch

    flags: Any = torch.backends.mkldnn
    if not flags.is_available() or not hasattr(flags, "matmul"):
        return 0.0, 1.0
    generator = torch.Generator().manual_seed(0)
    left, right = (torch.randn(shape, generator=generator) for shape in ((256, 768), (768, 768)))
    exact, before = left.double() @ right.double(), flags.matmul.fp32_precision
    seconds, made = {}, left
    try:
        for precision in ("none", "bf16"):
            flags.matmul.fp32_precision = precision
            taken = []
            for _ in range(7):
                started = time.perf_counter()
                made = left @ right
                taken.append(time.perf_counter() - started)
            # The least: whatever else the machine does only adds to it.
            seconds[precision] = min(taken)
    finally:
        flags.matmul.fp32_precision = before
    return seconds["none"] / seconds["bf16"], float((made - exact).norm() / exact.norm())


@cache
def probe_native() -> str | None:
    """Compile the optimizer's kernel, half a second the first time on a machine: why it cannot be, or None."""
    from modrack.native import NotBuilt, build
    from modrack.native.optimizer import FUNCTIONS, SOURCE

    try:
        build(SOURCE, tuple(FUNCTIONS.items()))
    except NotBuilt as error:
        return str(error)
    return None


def _compiles(kind: str | None) -> bool:
    if kind == "cuda" and find_spec("triton") is None:
        return False
    named = os.environ.get("CC" if kind == "cuda" else "CXX")
    return any(which(name) for name in ([named] if named else ["c++", "g++", "clang++", "cc", "gcc", "clang"]))


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
