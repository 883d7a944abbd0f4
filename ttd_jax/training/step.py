"""One update on all devices of all processes: `jax.pmap` over shards of a batch."""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import optax
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from ttd_jax.training.optimizer import Optimizer
from ttd_jax.training.state import TrainState

AXIS = "batch"


def make_step(
    objective: Callable, optimizer: Optimizer, *, devices: Sequence | None = None
) -> Callable:
    """The compiled training step.

    Gradients are averaged over the micro-batches of a device by a scan and over the devices by
    `pmean`, so a step equals one on the whole batch at once, up to rounding. If the loss or the
    gradient is not finite, the state, the last good one, comes back as it was, `step` included.

    Args:
      objective: `(variables, sample) -> (loss, terms)` of one sample; see `make_objective`.
      optimizer: see `make_optimizer`.
      devices: to run on; by default all devices of all processes.

    Returns:
      `step(state, batch) -> (state, metrics)`. The state goes in and comes out unreplicated. Every
      leaf of the batch has the leading axes [D, A, B]: devices of this process, micro-batches that
      are accumulated (1 for none), samples of a micro-batch. Metrics are f32[] averages over the
      whole batch of all processes: `loss`, the objective's terms as `terms/NAME`, `grad_norm` (of
      what is trained, before clipping) and `learning_rate`; `finite` is bool[].
    """
    # Every device computes the same state and metrics: one copy of them stands for all.
    mapped = jax.pmap(
        make_update(objective, optimizer),
        axis_name=AXIS,
        in_axes=(None, 0),
        out_axes=(None, None),
        devices=devices,
    )
    local = [d for d in devices or jax.devices() if d.process_index == jax.process_index()]
    everywhere = NamedSharding(Mesh(local, (AXIS,)), PartitionSpec())

    def step(state, batch):
        # Where `mapped` leaves its own results: a state from elsewhere would be compiled for anew.
        return mapped(jax.device_put(state, everywhere), batch)

    return step


def make_update(objective: Callable, optimizer: Optimizer) -> Callable:
    """What one device computes of a step, within a map over the axis `AXIS`; see `make_step`."""

    def one_device(state: TrainState, batch):
        loss, terms, gradients = jax.lax.pmean(_accumulate(micro_batch, state, batch), AXIS)
        norm = optax.tree.norm(gradients)
        finite = jnp.isfinite(loss) & jnp.isfinite(norm)
        updates, opt_state = optimizer.transformation.update(
            gradients, state.opt_state, state.params
        )
        updated = state.replace(
            step=state.step + 1,
            params=optax.apply_updates(state.params, updates),
            opt_state=opt_state,
        )
        metrics = {
            "loss": loss,
            **{f"terms/{name}": term for name, term in terms.items()},
            "grad_norm": norm,
            "learning_rate": optimizer.schedule(state.step),
            "finite": finite,
        }
        kept = jax.tree.map(lambda new, old: jnp.where(finite, new, old), updated, state)
        return kept, metrics

    def micro_batch(state, samples):
        """Loss, terms and gradients of f32[B, ...], averaged; never `pmean`ed inside of `grad`."""

        def mean_loss(params):
            frozen = jax.tree.map(
                lambda leaf, train: leaf if train else jax.lax.stop_gradient(leaf),
                params,
                optimizer.trainable,
            )
            variables = {**state.variables, "params": frozen}
            results = jax.vmap(objective, in_axes=(None, 0))(variables, samples)
            return jax.tree.map(jnp.mean, results)

        (loss, terms), gradients = jax.value_and_grad(mean_loss, has_aux=True)(state.params)
        return loss, terms, gradients

    return one_device


def _accumulate(micro_batch, state, batch):
    """The mean of `micro_batch` over the leading axis of the batch, one after the other."""
    count = jax.tree.leaves(batch)[0].shape[0]
    if count == 1:  # XLA compiles a loop's body to slower code on CPUs
        return micro_batch(state, jax.tree.map(lambda leaf: leaf[0], batch))

    def add(total, samples):
        return jax.tree.map(jnp.add, total, micro_batch(state, samples)), None

    first = jax.tree.map(lambda leaf: leaf[0], batch)
    shapes = jax.eval_shape(micro_batch, state, first)
    zeros = jax.tree.map(lambda leaf: jnp.zeros(leaf.shape, leaf.dtype), shapes)
    total, _ = jax.lax.scan(add, zeros, batch)
    return jax.tree.map(lambda leaf: leaf / count, total)
