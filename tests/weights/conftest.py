"""Fixtures of the tests of weights."""

import functools

import pytest

from ttd_jax.networks import NetworkSpec


@pytest.fixture(scope="module", autouse=True)
def shapes_once():
    """Shapes of variables are found out once a module: that traces a whole network."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(NetworkSpec, "shapes", functools.cache(NetworkSpec.shapes))
        yield
