"""Steps that are put off: computed window by window, few arrays held, programs shared."""

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from ttd_jax.parts.deferred import HostPart
from ttd_jax.parts.part import WHOLE
from ttd_jax.parts.sweeps import Programs, Rehearsal, Sweeper, Work

ROWS = 13


class Sharpen(nn.Module):
    """Looks one pixel around, then scales by a sum over all pixels."""

    def setup(self):
        self.weight = self.param("weight", nn.initializers.normal(2.0), ())

    def __call__(self, x, part=WHOLE):
        x = part.keep(x)
        edges, sums = part.measure(self.edges, x, margin=1)
        return part.run(self.add, x, edges, constants=[sums["total"]])

    def edges(self, x, part):
        found = self.weight * (part.pad(x, "edge")[..., 2:, 1:-1, :] - part.crop(x))
        return found, {"total": jnp.sum(part.own(jnp.abs(found)), axis=(-3, -2))}

    def add(self, x, edges, total, part):
        del part
        return x + edges / (1 + total[..., None, None, :])


class Chain(nn.Module):
    """Three of them."""

    def setup(self):
        self.steps = [Sharpen() for _ in range(3)]

    def __call__(self, x, part=WHOLE):
        return part.repeat(self.steps, part.temporary(part.map(jnp.square, x)))


X = np.random.default_rng(0).random((1, 30, 23, 2), np.float32)
VARIABLES = Chain().init(jax.random.key(0), X)


def run(sweeper, works):
    """The chain's result, written to an array of the host's."""
    part = HostPart(sweeper, X.shape[-3:-1], works)
    out = Chain().apply(VARIABLES, part.hold(X), part=part)
    target = np.empty(X.shape, np.float32)
    part.write(_result, out, targets={"out": target})
    return target


def _result(x, part):
    del part
    return {"out": x}, ()


def test_windows_give_what_the_whole_gives():
    found = run(Sweeper(Programs(), rows=ROWS), {})
    np.testing.assert_allclose(found, Chain().apply(VARIABLES, X), atol=1e-6)


def test_what_is_temporary_is_overwritten():
    """All of a chain is held in one array, which a rehearsal knows beforehand."""
    rehearsal = Rehearsal(Programs(), rows=ROWS)
    run(rehearsal, {})
    assert rehearsal.held == X.nbytes


def test_steps_that_differ_in_their_variables_share_their_programs():
    """One to store the first input, one from module to module, one for the result."""
    programs, works = Programs(), {}
    for _ in range(2):
        run(Sweeper(programs, rows=ROWS), works)
        assert len(programs) == 3


def test_a_sweep_reads_as_far_as_all_its_steps_do():
    works = {}
    run(Sweeper(Programs(), rows=ROWS), works)
    halos = sorted(work.halo for work in works.values() if isinstance(work, Work))
    assert halos == [1, 1, 2]  # the first edges, those of the result, those of two modules


def test_means_and_extremes_are_those_of_the_picture():
    part = HostPart(Sweeper(Programs(), rows=ROWS), X.shape[-3:-1], {})
    x = part.map(jnp.negative, part.hold(X))
    np.testing.assert_allclose(part.mean(x), WHOLE.mean(-X), rtol=1e-6)
    assert part.extremes(x) == (np.min(-X), np.max(-X))
