"""Evaluations of small pictures."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Everything here is small."""
