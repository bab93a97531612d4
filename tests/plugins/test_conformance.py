"""Every built-in part passes the checks that any author's part must pass."""

from __future__ import annotations

import pytest

from modrack.testing import Check, checks_of


@pytest.mark.parametrize("check", checks_of("modrack"), ids=str)
def test_built_in(check: Check) -> None:
    check.run()
