"""Which definitions tests go through."""

import functools

from ttd_jax import metrics


def distinct(protocol, names=()):
    """The metrics of a protocol whose definitions no protocol before it has.

    By default of the core ones: what else there is has tests of its own, beside `test_programs`.
    """
    seen = set()
    for other in metrics.PROTOCOLS:
        rows = metrics.scored(other)
        keys = {name: key_of(rows[name].function) for name in metrics.choose(names, other)}
        if other == protocol:
            return [name for name, key in keys.items() if key not in seen]
        seen |= set(keys.values())
    raise KeyError(protocol)


def key_of(function):
    """What two rows with the same definition have in common."""
    if isinstance(function, functools.partial):
        return function.func, frozenset(function.keywords.items())
    return function, frozenset()
