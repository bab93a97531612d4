"""Where a run came from: code, packages, machine, command. What one needs to run it again, or to see why two differ."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import socket
import subprocess
from typing import Any

from modrack.runner.hardware import probe

# Longer diffs are cut: they are a generated file that nobody reads.
DIFF_BYTES = 1 << 20
# A number of tokens, as in batch_tokens=4096, is none.
_SECRET = re.compile(
    r"(?i)((?:api[_-]?key|secret|token|passw(?:or)?d|credential)s?[\"']?\s*[:=]\s*[\"']?)"
    r"(?!(?<=tokens=)\d+(?:\s|$))[^\s\"']{4,}"
)
_USERINFO = re.compile(r"(\w+://)[^/@\s]+@")

_HEADER = re.compile(r"^(Name|Version): *(.*?)\s*$", re.MULTILINE)

# Variables that can change what a run computes. Nothing else of the environment is kept: it holds secrets.
_VARIABLES = (
    *("CUDA_VISIBLE_DEVICES", "CUBLAS_WORKSPACE_CONFIG", "PYTORCH_CUDA_ALLOC_CONF", "PYTORCH_ALLOC_CONF"),
    *("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "GLIBC_TUNABLES", "LD_PRELOAD", "PYTHONHASHSEED"),
    *("HF_HOME", "HF_HUB_OFFLINE", "TRANSFORMERS_OFFLINE", "TOKENIZERS_PARALLELISM", "NCCL_DEBUG", "NCCL_P2P_DISABLE"),
    *("MODRACK_HOME", "MODRACK_SET", "MODRACK_PLUGINS", "WORLD_SIZE", "SLURM_JOB_ID", "SLURM_NNODES", "SLURM_NTASKS"),
)


def environment() -> dict[str, str]:
    """Those of the variables above that are set, without what looks like a secret."""
    return {name: redact(os.environ[name]) for name in _VARIABLES if name in os.environ}


def git_state(diff: bool = True) -> dict[str, Any] | None:
    """Commit, whether anything differs from it, the difference and the remote; None outside a repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git("status", "--porcelain") or ""
    changed = _git("diff", "HEAD") if status and diff else None
    if changed and len(changed) > DIFF_BYTES:
        changed = changed[:DIFF_BYTES] + f"\n[cut: {len(changed)} characters in all]\n"
    remote = _git("remote", "get-url", "origin")
    return {
        "commit": commit.strip(),
        "dirty": bool(status.strip()),
        "diff": redact(changed) if changed else None,
        "remote": redact(remote.strip()) if remote else None,
    }


def packages() -> dict[str, str]:
    """Every installed distribution and its version."""
    found: dict[str, str] = {}
    for dist in importlib.metadata.distributions():
        # Two lines at the head of a file that may hold a whole README, which the library would read as an e-mail.
        text = dist.read_text("METADATA") or dist.read_text("PKG-INFO") or ""
        head = dict(_HEADER.findall(text.partition("\n\n")[0]))
        if head.get("Name"):
            found.setdefault(head["Name"], head.get("Version", ""))
    return dict(sorted(found.items(), key=lambda item: item[0].lower()))


def machine() -> dict[str, Any]:
    """Hardware and system, as found."""
    return probe().as_dict() | {
        "host": socket.gethostname(),
        "system": platform.platform(),
        "python": platform.python_version(),
    }


def redact(text: str) -> str:
    """`text` without what looks like a password, token or key."""
    return _SECRET.sub(r"\1[redacted]", _USERINFO.sub(r"\1", text))


def _git(*words: str) -> str | None:
    try:
        answer = subprocess.run(["git", *words], capture_output=True, text=True, timeout=10, errors="replace")
    except (OSError, subprocess.TimeoutExpired):
        return None
    return answer.stdout if answer.returncode == 0 else None
