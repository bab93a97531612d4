"""Which kernels torch computes with. They are settings of the whole process, so a run puts them back at its end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from typing import Any

import torch

from modrack import native
from modrack.runner import dropout
from modrack.runner.allocator import keep_memory
from modrack.runner.memory_plan import any_fsdp
from modrack.runner.plan import Plan


def choose_kernels(plan: Plan, device: torch.device) -> None:
    """Set what `plan` decided: threads, matrix multiplies, determinism, what memory is kept."""
    torch.set_num_threads(plan["threads"])
    native.use(plan["kernels"] == "native")
    if hasattr(torch.backends.mkldnn, "matmul"):
        precision = "bf16" if plan["matmul"] == "onednn" else "none"
        torch.backends.mkldnn.matmul.fp32_precision = precision
    # Sharding lets weights go to have room: what the allocator kept of them would be lost to it.
    dropout.use(device.type == "cpu" and not plan["compile"])
    if device.type == "cpu" and not any_fsdp(plan):
        keep_memory()
    if device.type == "cuda":
        # torch itself takes TF32 for convolutions and recurrent layers, and not for products of matrices.
        for place in _tf32_places():
            place.fp32_precision = "tf32" if plan["tf32"] else "ieee"
    if device.type != "cpu":
        _choose_order(plan["deterministic"])


@contextlib.contextmanager
def kernels_kept() -> Iterator[None]:
    """Put the settings back at the end: whoever trains from Python has other code in the same process.

    One that stays is no bare nuisance: torch's older question, `torch.get_float32_matmul_precision()`, which Lightning
    asks, raises where one backend's precision was set by itself.
    """
    backends: Any = torch.backends
    places = [backends.mkldnn.matmul, *_tf32_places()]
    precisions = [place.fp32_precision for place in places]
    threads, benchmark = torch.get_num_threads(), backends.cudnn.benchmark
    compiler: Any = sys.modules.get("torch._dynamo")
    errors = compiler.config.suppress_errors if compiler is not None else False
    strict = torch.get_deterministic_debug_mode()
    try:
        yield
    finally:
        dropout.use(False)
        native.use(False)
        torch.set_num_threads(threads)
        for place, precision in zip(places, precisions, strict=True):
            place.fp32_precision = precision
        compiler = sys.modules.get("torch._dynamo")
        if compiler is not None:
            compiler.config.suppress_errors = errors
        if torch.get_deterministic_debug_mode() != strict:  # to set it imports the compiler, a second on its own
            torch.set_deterministic_debug_mode(strict)
        backends.cudnn.benchmark = benchmark


def _tf32_places() -> list[Any]:
    backends: Any = torch.backends
    return [backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn]


def _choose_order(deterministic: bool) -> None:
    if deterministic:
        # cuBLAS reads it when it is first used. https://docs.nvidia.com/cuda/cublas/#results-reproducibility
        os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(deterministic)
    # Trying cuDNN's algorithms pays, as shapes are few; but another one may win the next time.
    torch.backends.cudnn.benchmark = not deterministic
