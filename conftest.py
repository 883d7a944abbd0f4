"""What the examples of docstrings take for granted."""

import pytest

_SIDE = 16


@pytest.fixture(scope="session")
def _names():
    import jax
    import jax.numpy as jnp
    import numpy as np

    import ttd_jax
    from tests.compilation import optimizations
    from tests.random_models import random_model

    sources = jax.random.uniform(jax.random.key(0), (2, _SIDE, _SIDE, 3))
    with optimizations(on=False):
        yield {
            "jax": jax,
            "jnp": jnp,
            "np": np,
            "ttd_jax": ttd_jax,
            "random_model": random_model,
            "model": ttd_jax.load("shipped/ifcnn_sum"),
            "sources": sources,
            "scenes": jnp.stack([sources, sources[::-1]]),
        }


@pytest.fixture(autouse=True)
def _examples(request):
    """Names that examples use, and registries as they were before."""
    if not isinstance(request.node, pytest.DoctestItem):
        yield
        return
    request.node.dtest.globs.update(request.getfixturevalue("_names"))
    from ttd_jax.core.dominability import LOSS_MAPS
    from ttd_jax.metrics import METRICS
    from ttd_jax.networks import NETWORKS

    registries = [(each, dict(each._entries)) for each in (LOSS_MAPS, METRICS, NETWORKS)]
    yield
    for registry, entries in registries:
        registry._entries = entries
