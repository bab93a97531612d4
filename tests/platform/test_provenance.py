"""What a run keeps of its command."""

from __future__ import annotations

import pytest

from modrack.runner.provenance import redact


@pytest.mark.parametrize(
    ("said", "kept"),
    [
        ("batch_tokens=4096 epochs=2", "batch_tokens=4096 epochs=2"),
        ("hub_token=abcdefgh", "hub_token=[redacted]"),
        ("tokens=12345678x", "tokens=[redacted]"),
        ("password=12345678", "password=[redacted]"),
    ],
)
def test_secrets_are_not_kept_and_numbers_of_tokens_are(said: str, kept: str) -> None:
    assert redact(said) == kept
