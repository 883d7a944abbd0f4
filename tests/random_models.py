"""Networks with random weights, made without running or compiling them."""

import functools

import jax
import jax.numpy as jnp

from ttd_jax.networks import NETWORKS
from ttd_jax.networks.random_variables import random_variables


def random_model(name, *, seed=0, **options):
    """A registered network of any kind, bound to random weights; `options` are those of `bind`."""
    return NETWORKS[name].bind(_variables(name, seed), **options)


@functools.cache
def _variables(name, seed):
    return jax.tree.map(jnp.asarray, random_variables(NETWORKS[name], seed=seed))
