"""The conformance kit: what `modrack check` runs, for an author's own pytest.

import pytest
from modrack.testing import checks_of

@pytest.mark.parametrize("check", checks_of("my_plugin"), ids=str)
def test_part(check):
    check.run()
"""

from modrack.testing.kit import Check, CheckFailed, NotApplicable, checks_of

__all__ = ["Check", "CheckFailed", "NotApplicable", "checks_of"]
