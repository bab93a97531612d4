"""Kernels in C, compiled on the machine that runs them and kept there.

On a CPU much of a step waits for memory, as each of torch's operations reads and writes all of its tensors. A kernel
that does several things as it reads once is what a compiler of whole models makes in minutes; this takes a second.

    from modrack.native import library

    made = library(Path(__file__).with_name("mine.c"), {"add": "ippp"})
    if made is not None: made.add(left.numel(), left, right, out)   # as in void add(int64_t, float *, …)

The plan of a run decides whether it uses them (`kernels`); where it does not, `library` gives None, and who asked
computes with torch.
"""

from modrack.native.build import NotBuilt, build
from modrack.native.choice import in_use, library, use

__all__ = ["NotBuilt", "build", "in_use", "library", "use"]
