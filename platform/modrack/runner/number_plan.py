"""What the plan decides about numbers: in which type a step computes, by which products and kernels."""

from __future__ import annotations

from modrack.configure.settings import Settings
from modrack.runner.decision import Decision
from modrack.runner.hardware import Hardware
from modrack_registry.errors import UserError

# Below this many operations a step, casting costs more than bf16 saves (measured on two avx512_bf16 cores).
BF16_STEP_FLOPS = 3e8
# The same on CUDA, where the host's launching of kernels takes longer than so small a step's arithmetic: on an H200
# bf16 lost 16 to 36% at 8, 90 and 320 GFLOP a step, and won 27% at 520 (benchmarks/RESULTS.md).
BF16_LAUNCH_FLOPS = 4e11
# From here on kernels in C pay for the second or two that compiling them takes, once on a machine: what they save is
# reading and writing weights and moments, which for smaller models stay in the caches.
NATIVE_PARAMETERS = 1_000_000
# What rounding in fp32 may lose; bf16 itself loses a thousand times as much.
FP32_ERROR = 2e-6


def choose_precision(hardware: Hardware, kind: str, work: float, settings: Settings) -> Decision:
    """For steps of `work` operations on a device of this `kind`. Raises UserError for what it cannot do."""
    can_bf16, why = _bf16(hardware, kind)
    asked = settings.precision
    if asked == "bf16" and not can_bf16 and kind != "cpu":
        raise UserError(f"precision=bf16: {why}.", "Use precision=fp16 or precision=fp32.")
    if asked == "fp16" and kind == "cpu":
        raise UserError(
            "precision=fp16: a CPU computes fp16 slower than fp32.", "Use precision=bf16 or precision=fp32."
        )
    if asked == "bf16" and not can_bf16:
        return Decision("precision", asked, f"asked for, though {why}: slower than fp32")
    if asked != "auto":
        return Decision("precision", asked, "asked for")
    if not can_bf16:
        return Decision("precision", "fp32", why)
    if kind == "cpu" and work < BF16_STEP_FLOPS:
        return Decision(
            "precision", "fp32", f"a step is {work / 1e9:.2g} GFLOP: casting would cost more than bf16 saves"
        )
    if kind == "cuda" and work < BF16_LAUNCH_FLOPS:
        return Decision(
            "precision", "fp32", f"a step is {work / 1e9:.2g} GFLOP: launching the casts takes longer than bf16 saves"
        )
    return Decision("precision", "bf16", why)


def _bf16(hardware: Hardware, kind: str) -> tuple[bool, str]:
    if kind == "cpu":
        return hardware.cpu_bf16, f"the CPU has {'' if hardware.cpu_bf16 else 'no '}bf16 instructions"
    if kind == "cuda":
        # NVIDIA computes bf16 in hardware from Ampere (8.0) on.
        has = hardware.capability is not None and hardware.capability >= (8, 0)
        version = ".".join(map(str, hardware.capability or ()))
        return has, f"CUDA capability {version} {'has' if has else 'is below 8.0 and has no'} bf16"
    return False, f"{kind} is not known to gain from bf16"


def choose_tf32(hardware: Hardware, kind: str, settings: Settings) -> Decision:
    """Whether CUDA multiplies what is fp32 in TF32. Raises UserError where it is asked for and not there."""
    if kind != "cuda" or hardware.capability is None or hardware.capability < (8, 0):
        if settings.tf32:
            raise UserError("tf32=true: only CUDA from capability 8.0 on has it.", "Leave it out.")
        return Decision("tf32", False, "only CUDA from capability 8.0 on has it")
    if settings.tf32 is not None:
        return Decision("tf32", settings.tf32, "asked for")
    if settings.precision == "fp32":
        return Decision("tf32", False, "fp32 was asked for")
    return Decision("tf32", True, "fp32 matrix multiplies that remain lose 13 bits and gain up to 8×")


def choose_matmul(hardware: Hardware, kind: str, settings: Settings) -> Decision:
    """By what a CPU multiplies fp32. Raises UserError where oneDNN is asked for and does not."""
    if settings.matmul == "onednn" and (kind != "cpu" or (hardware.onednn_fp32 or (1.0,))[0] == 0):
        where = "oneDNN is for CPUs" if kind != "cpu" else "this torch has no oneDNN"
        raise UserError(f"matmul=onednn: {where}.", "Leave it out.")
    if settings.matmul != "auto":
        return Decision("matmul", settings.matmul, "asked for")
    if kind != "cpu" or hardware.onednn_fp32 is None:
        return Decision("matmul", "default", "only looked at for larger steps on a CPU")
    speed, error = hardware.onednn_fp32
    if error > FP32_ERROR:
        return Decision("matmul", "default", f"oneDNN's fp32 would lose {error:.1g} of a product here")
    if speed < 1.1:
        return Decision("matmul", "default", "oneDNN's fp32 is no faster here")
    return Decision(
        "matmul", "onednn", f"oneDNN multiplies fp32 {speed:.1f}× as fast here, with an error of {error:.0e}"
    )


def choose_native(
    hardware: Hardware, kind: str, parameters: int, settings: Settings, compiled: bool, twice: bool
) -> Decision:
    """Whether a CPU computes by kernels in C what modrack has one for. Raises UserError where they cannot be had."""
    lacking = None
    if kind != "cpu":
        lacking = "they are for CPUs"
    elif compiled:
        lacking = "torch compiles the model"
    elif twice:
        lacking = "the task differentiates a gradient, which they do not"
    elif hardware.not_native:
        lacking = hardware.not_native
    if settings.kernels == "native" and lacking:
        compiler = "Install a C compiler, or name one in CC; or leave" if lacking == hardware.not_native else "Leave"
        raise UserError(f"kernels=native: {lacking}.", f"{compiler} it out to compute with torch's own.")
    if settings.kernels != "auto":
        return Decision("kernels", settings.kernels, "asked for")
    if lacking:
        return Decision("kernels", "torch", lacking)
    if parameters < NATIVE_PARAMETERS:
        return Decision("kernels", "torch", f"{parameters:,} weights are few")
    return Decision("kernels", "native", "compiled here: AdamW, the norm of gradients, and layers that bring their own")
