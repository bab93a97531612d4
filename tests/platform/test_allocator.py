"""Memory is kept between steps, in large pages where the system gives them to who asks, and given back afterwards."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

PAGES = Path("/sys/kernel/mm/transparent_hugepage/enabled")
CODE = """
from pathlib import Path
import torch
from modrack.runner.allocator import give_back, keep_memory

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * 4096

print(keep_memory())
start = resident()
for _ in range(2):
    tensors = [torch.ones(1 << 22) for _ in range(16)]  # of 16 MiB each
    del tensors
print((resident() - start) >> 20)
heaps = Path("/proc/self/smaps").read_text().split("[heap]")[1:]
flags = [heap.partition("VmFlags:")[2].splitlines()[0] for heap in heaps]
print("large" if any(" hg" in each for each in flags) else "")
print(give_back())
print((resident() - start) >> 20)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="glibc's allocator")
def test_what_was_freed_is_kept_until_it_is_given_back() -> None:
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    kept, before, pages, given, after = done.stdout.splitlines()
    assert (kept, given) == ("True", "True")
    assert int(before) >= 200
    assert int(after) < 100
    if PAGES.exists() and "[madvise]" in PAGES.read_text("ascii"):
        assert pages == "large"
