"""The core's functions on small arrays."""

import pytest


@pytest.fixture(scope="module", autouse=True)
def _quickly(quick_compilation):
    """Programs here run a few times on few pixels."""
