"""Pytrees of arrays in a few words."""

from typing import Any

import jax


def describe(value: Any) -> str:
    """An array's dtype and shape; of anything else its `repr`.

    Example:
      >>> describe(sources)
      'float32[2, 16, 16, 3]'
    """
    if hasattr(value, "shape") and hasattr(value, "dtype"):
        return f"{value.dtype}{list(value.shape)}"
    return repr(value)


def count(tree: Any) -> str:
    """How many numbers the arrays of a tree hold.

    Example:
      >>> count({"kernel": jnp.zeros((30, 40)), "bias": jnp.zeros(40)})
      '1,240 numbers in 2 arrays'
    """
    leaves = jax.tree.leaves(tree)
    numbers = sum(getattr(leaf, "size", 1) for leaf in leaves)
    return f"{numbers:,} numbers in {len(leaves)} arrays"
