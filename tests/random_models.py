"""Networks with random weights, made without running or compiling anything."""

import functools

from ttd_jax.networks import NETWORKS
from ttd_jax.networks.random_variables import random_variables


def random_model(name, *, seed=0, **options):
    """Any registered network, bound to random weights; `options` go to `bind`."""
    return NETWORKS[name].bind(_variables(name, seed), **options)


@functools.cache
def _variables(name, seed):
    return random_variables(NETWORKS[name], seed=seed)
