"""How tests run on a mutant: the same examples each time, few of them, and the tests that draw examples last.

`tox -e mutants` loads this into pytest. A mutant that survives here may be noticed by more examples, never less.
"""

from __future__ import annotations

import pytest
from hypothesis import Phase, is_hypothesis_test, settings

settings.register_profile(
    "mutants",
    deadline=None,
    derandomize=True,
    database=None,
    max_examples=25,
    phases=[Phase.explicit, Phase.generate],  # that a mutant is noticed is enough: no smaller example is looked for
)


def pytest_configure() -> None:
    settings.load_profile("mutants")  # after that of conftest.py, before any test is read


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Most mutants are noticed by an example that is written down, in milliseconds."""
    items.sort(key=lambda item: is_hypothesis_test(getattr(item, "obj", None)))
