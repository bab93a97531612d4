"""What a run keeps of its command."""

from __future__ import annotations

import importlib.metadata

import pytest

from modrack.runner.provenance import packages, redact


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


def test_all_that_is_installed_is_kept_with_its_version() -> None:
    first: dict[str, str] = {}
    for dist in importlib.metadata.distributions():
        first.setdefault(dist.name, dist.version)
    assert packages() == dict(sorted(first.items(), key=lambda item: item[0].lower()))
