"""The line on which a key stands."""

from __future__ import annotations

from modrack.configure.lines import find_lines


def test_lines_of_keys_tables_and_arrays():
    text = '''# a comment = 1
epochs = 3
name = """
epochs = 4
"""  # ends
checkpoint.every = 5
tags = [
  "a = 1",
]
[model]   # x
"use" = "net"
width = 1
[[metric]]
use = "f1"
[[metric]]
use = "hits"
[optimizer.critic]
lr = 1
'''
    assert find_lines(text) == {
        ("epochs",): 2,
        ("name",): 3,
        ("checkpoint", "every"): 6,
        ("tags",): 7,
        ("model",): 10,
        ("model", "use"): 11,
        ("model", "width"): 12,
        ("metric", 0): 13,
        ("metric", 0, "use"): 14,
        ("metric", 1): 15,
        ("metric", 1, "use"): 16,
        ("optimizer", "critic"): 17,
        ("optimizer", "critic", "lr"): 18,
    }
