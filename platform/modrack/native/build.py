"""Compiles a file of C by the machine's own compiler, once, and loads it."""

from __future__ import annotations

import atexit
import contextlib
import ctypes
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from modrack_registry.family_index import cache_folder

# No -ffast-math: with it what is not a number would pass for one, and the linker would let the whole process flush what
# is small. Sums that vectors may order are marked in the sources.
_FLAGS = ("-O3", "-std=gnu11", "-fPIC", "-fopenmp", "-fno-math-errno", "-fno-trapping-math")


class _Pointer:
    """An argument that is a tensor, an array of ctypes, or None."""

    @staticmethod
    def from_param(given: Any) -> Any:
        if given is None or isinstance(given, ctypes.Array):
            return ctypes.c_void_p.from_param(given)
        return ctypes.c_void_p(given.data_ptr())


_TYPES: dict[str, Any] = {
    "i": ctypes.c_int64, "u": ctypes.c_uint32, "f": ctypes.c_float, "d": ctypes.c_double, "p": _Pointer,
}  # fmt: skip


class NotBuilt(Exception):
    """Why a kernel cannot be compiled or loaded here, in one line."""


@cache
def build(source: Path, functions: tuple[tuple[str, str], ...]) -> ctypes.CDLL:
    """The library made of `source`, compiled for this very processor, or as it was kept from an earlier time.

    `functions` name what it offers and the types of the arguments, a letter each: i (int64), u (uint32), f, d, p (a
    pointer, for which a tensor is given, or None); what comes back follows a colon: `("norm", "ip:d")`.

    Raises NotBuilt.
    """
    try:
        return _build(source, functions)
    except OSError as error:
        raise NotBuilt(f"what is compiled cannot be kept: {error}") from None


def _build(source: Path, functions: tuple[tuple[str, str], ...]) -> ctypes.CDLL:
    compiler = find_compiler()
    if compiler is None:
        raise NotBuilt("there is no C compiler")
    text = source.read_bytes()
    tuned = ["-march=native", "-mprefer-vector-width=512"] if platform.machine() in ("x86_64", "AMD64") else []
    command = [*compiler, *_FLAGS, *tuned]
    runtime = _openmp()
    key = hashlib.sha256(repr((text, command, _version(compiler[0]), _processor(), runtime)).encode()).hexdigest()[:20]
    kept = _folder() / f"{source.stem}-{key}.so"
    made = _load(kept) if kept.exists() else None
    if made is None:  # not there, or damaged since
        _compile(source, compiler, command, runtime, kept)
        made = _load(kept)
    if made is None:
        raise NotBuilt(f"{kept} cannot be loaded")
    for name, types in functions:
        given, _, result = types.partition(":")
        function = getattr(made, name, None)
        if function is None:
            raise NotBuilt(f"there is no function {name} in it")
        function.argtypes = [_TYPES[letter] for letter in given]
        function.restype = _TYPES[result] if result else None
    return made


def find_compiler() -> list[str] | None:
    """The C compiler that $CC names, with what words it says, or the first of the usual ones."""
    try:
        named = shlex.split(os.environ.get("CC", ""))
    except ValueError:  # a quote that does not end
        return None
    choices = [named] if named else [["cc"], ["gcc"], ["clang"]]
    return next(([found, *more] for name, *more in choices if (found := shutil.which(name))), None)


def _load(path: Path) -> ctypes.CDLL | None:
    try:
        return ctypes.CDLL(str(path))
    except OSError:
        return None


def _compile(source: Path, compiler: list[str], command: list[str], runtime: str | None, kept: Path) -> None:
    # Made aside and renamed: several processes may want it at once.
    with tempfile.TemporaryDirectory(prefix="modrack-", dir=kept.parent) as aside:
        thing, made = Path(aside) / "kernel.o", Path(aside) / kept.name
        _run([*command, "-c", str(source), "-o", str(thing)])
        # torch's own OpenMP, so that its threads serve: two pools would stand in each other's way.
        _run([*compiler, "-shared", str(thing), "-o", str(made), runtime or "-fopenmp", "-lm"])
        made.replace(kept)


def _run(command: list[str]) -> None:
    try:
        spoken = os.environ | {"LC_ALL": "C"}
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=120, env=spoken)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotBuilt(f"{command[0]} did not work: {error}") from None
    if done.returncode:
        lines = done.stderr.splitlines() or [f"it ended with code {done.returncode}"]
        said = next((line for line in lines if "error" in line), lines[0])
        raise NotBuilt(f"{command[0]} did not work: {said.strip()[:200]}")


def _openmp() -> str | None:
    """The OpenMP library that came with torch."""
    import torch

    found = sorted((Path(torch.__file__).parent / "lib").glob("libgomp*.so*"))
    return str(found[0]) if found else None


@cache
def _version(compiler: str) -> str:
    try:
        return subprocess.run([compiler, "--version"], capture_output=True, text=True, timeout=30).stdout
    except (OSError, subprocess.TimeoutExpired):
        return ""


@cache
def _processor() -> str:
    """What `native` stands for: a home folder may be shared by machines."""
    try:
        lines = Path("/proc/cpuinfo").read_text("utf-8").splitlines()
    except OSError:
        return platform.processor()
    wanted = ("model name", "flags", "Features", "CPU part")
    return "".join(dict.fromkeys(line for line in lines if line.startswith(wanted)))


@cache
def _folder() -> Path:
    """Where libraries are kept: the user's cache, or else a folder for this process alone."""
    base = cache_folder()
    if base is not None:
        folder = base / "native"
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            with tempfile.TemporaryFile(dir=folder):
                return folder
    own = tempfile.mkdtemp(prefix="modrack-")
    atexit.register(shutil.rmtree, own, ignore_errors=True)
    return Path(own)
