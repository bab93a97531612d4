"""Where a run came from: code, packages, machine, command. What one needs to run it again, or to see why two differ."""

from __future__ import annotations

import importlib.metadata
import platform
import re
import socket
import subprocess
from typing import Any

from modrack.runner.hardware import probe

# Longer diffs are cut: they are a generated file that nobody reads.
DIFF_BYTES = 1 << 20
_SECRET = re.compile(r"(?i)((?:api[_-]?key|secret|token|passw(?:or)?d|credential)s?[\"']?\s*[:=]\s*[\"']?)[^\s\"']{4,}")
_USERINFO = re.compile(r"(\w+://)[^/@\s]+@")


def git_state() -> dict[str, Any] | None:
    """Commit, whether anything differs from it, the difference and the remote; None outside a repository."""
    commit = _git("rev-parse", "HEAD")
    if commit is None:
        return None
    status = _git("status", "--porcelain") or ""
    diff = _git("diff", "HEAD") if status else None
    if diff and len(diff) > DIFF_BYTES:
        diff = diff[:DIFF_BYTES] + f"\n[cut: {len(diff)} characters in all]\n"
    remote = _git("remote", "get-url", "origin")
    return {
        "commit": commit.strip(),
        "dirty": bool(status.strip()),
        "diff": redact(diff) if diff else None,
        "remote": redact(remote.strip()) if remote else None,
    }


def packages() -> dict[str, str]:
    """Every installed distribution and its version."""
    found = {dist.name: dist.version for dist in importlib.metadata.distributions() if dist.name}
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
