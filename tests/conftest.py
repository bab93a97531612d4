"""One thread a process: tests train tiny models, for which threads wait more than they work, and start processes."""

from __future__ import annotations

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")
