"""What the tests of adapters share: an index of their own, and parts by name."""

from __future__ import annotations

import warnings

import pytest

from modrack.testing import checks_of
from modrack_registry.options import check_options
from modrack_registry.registry import load_registry


@pytest.fixture(scope="session", autouse=True)
def index(tmp_path_factory):
    """The index of names is made here, once, and not in the person's own cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("MODRACK_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def registry(index):
    return load_registry()


@pytest.fixture(scope="session")
def make(registry):
    """make(kind, name, given, **options): a part with its defaults, and `options` checked as a user's are."""

    def make(kind, name, given, **options):
        component = registry.find(kind, name)
        values = {key: (value, isinstance(value, str), key) for key, value in options.items()}
        checked, mistakes = check_options(component.options, values, name)
        assert not mistakes, [str(mistake) for mistake in mistakes]
        return component.make(given, checked)

    return make


@pytest.fixture(scope="session")
def conforms(index):
    """conforms(*globs): every check of every part that they name passes; gives the count of checks."""

    def conforms(*globs):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            outcomes = {str(check): check.outcome() for check in checks_of("modrack", globs)}
        failed = {name: outcome.reason for name, outcome in outcomes.items() if outcome.state == "failed"}
        assert not failed
        return sum(outcome.state == "passed" for outcome in outcomes.values())

    return conforms
