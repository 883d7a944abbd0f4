"""Compiles for a TPU that is not here: `python -m ttd_jax.benchmarks.compiler < task.json`.

The task holds the topology, options of `get_topology_desc`, the kind of program ('fuse', 'evaluate'
or 'finetune') and the fields of a `Case`. The last line of stdout is the result as JSON.
"""

import functools
import json
import sys
import time

import jax
import jax.numpy as jnp
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec, SingleDeviceSharding
from ttd_jax_configs import finetune

from ttd_jax import metrics
from ttd_jax.benchmarks.cases import Case
from ttd_jax.core.color import resolve_color
from ttd_jax.errors import is_exhausted, one_line
from ttd_jax.evaluation.program import batch_program
from ttd_jax.fusing.compute import fuse_scene
from ttd_jax.networks import folding
from ttd_jax.networks.random_variables import random_variables
from ttd_jax.parts import held_bytes
from ttd_jax.training.phases import make_phases
from ttd_jax.training.run import as_plain
from ttd_jax.training.step import AXIS, make_update


def compile_task(task: dict) -> dict:
    """What XLA says of a program.

    Returns:
      `chips`, how many the topology has; `compile_seconds`; of one chip `memory` (bytes of
      `arguments`, `outputs`, `temporaries` and, of the arguments, of what is the same for any
      number of scenes, the `weights`), `bytes_accessed` and `operations`. Or `refused`: why the
      program cannot be, with `chips`, or the topology, without.
    """
    try:
        there = topologies.get_topology_desc(task["topology"], platform="tpu", **task["options"])
    except jax.errors.JaxRuntimeError as error:
        return {"refused": one_line(error)}
    devices = there.devices
    case = Case(**{**task["case"], "size": tuple(task["case"]["size"])})
    function, same, scenes = _PROGRAMS[task["program"]](case, devices)
    start = time.perf_counter()
    lowered = jax.jit(function).trace(same, scenes).lower()
    try:
        compiled = lowered.compile()
    except RuntimeError as error:
        if not is_exhausted(error):
            raise
        return {"chips": len(devices), "refused": one_line(error)}
    seconds = time.perf_counter() - start
    plan, cost = compiled.memory_analysis(), compiled.cost_analysis()
    return {
        "chips": len(devices),
        "compile_seconds": seconds,
        "memory": {
            "arguments": plan.argument_size_in_bytes,
            "outputs": plan.output_size_in_bytes - plan.alias_size_in_bytes,
            "temporaries": plan.temp_size_in_bytes,
            "weights": held_bytes(same),
        },
        "bytes_accessed": cost["bytes accessed"],
        "operations": cost["flops"],
    }


# Each program: a function of what is the same for all scenes and of the scenes, and their shapes.
# Chips that fuse and evaluate know nothing of each other: one is compiled for.


def _fuse(case, devices):
    def fuse(model, scenes):
        mode = resolve_color("auto", (False,) * len(scenes))
        settings = model.strategy(case.strategy)
        one = functools.partial(fuse_scene, settings=settings, mode=mode, save=("fused",))
        return jax.vmap(one, in_axes=(None, 0))(model, scenes)

    there = SingleDeviceSharding(devices[0])
    return fuse, _shapes(_folded(case), there), _pictures(case, there)


def _evaluate(case, devices):
    def evaluate(model, scenes):
        program = batch_program(
            strategies={name: model.strategy(name) for name in _strategies(case)},
            resolve_mode=functools.partial(resolve_color, "network"),
            how=model.spec.quantize,
            protocol="paper",
            names=metrics.choose(()),
        )
        return program(model, *scenes, None, None)

    there = SingleDeviceSharding(devices[0])
    pictures = _pictures(case, there)
    shape = case.batch, len(pictures), *case.size
    grays = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=there)
    return evaluate, _shapes(_folded(case), there), (pictures, grays)


def _finetune(case, devices):
    """The last phase of the configuration that comes with the package, without a classifier."""
    config = finetune.get_config(f"{case.model},msrs")
    for phase in config.phases:
        if "illumination" in phase:
            phase.illumination = "even"
    model = _model(case)
    phase = make_phases(as_plain(config.phases), model)[-1]
    state, optimizer = phase.begin(model.variables)
    mesh = Mesh(np.array(devices), (AXIS,))
    whole, split = PartitionSpec(), PartitionSpec(AXIS)
    update = make_update(phase.objective, optimizer)
    step = jax.shard_map(
        lambda state, batch: update(state, jax.tree.map(lambda leaf: leaf[0], batch)),
        mesh=mesh,
        in_specs=(whole, split),
        out_specs=whole,
        check_vma=False,  # metrics are the same on all chips by `pmean`
    )
    shape = len(devices), 1, case.batch, _sources(case), *case.size, case.spec.channels
    sources = jax.ShapeDtypeStruct(shape, jnp.float32, sharding=NamedSharding(mesh, split))
    return step, _shapes(state, NamedSharding(mesh, whole)), {"sources": sources}


_PROGRAMS = {"fuse": _fuse, "evaluate": _evaluate, "finetune": _finetune}


def _model(case):
    variables = jax.tree.map(jnp.asarray, random_variables(case.spec))
    settings = case.spec.read_settings(case.settings)
    return case.spec.bind(variables, settings=settings, precision=case.precision)


def _folded(case):
    return folding.fold(_model(case))


def _strategies(case):
    return case.spec.doable(("static", "ttd"))


def _sources(case):
    return case.spec.source_count or 2


def _pictures(case, sharding):
    """Gray, as most infrared ones are; one array a source."""
    shape = jax.ShapeDtypeStruct((case.batch, *case.size, 1), jnp.float32, sharding=sharding)
    return (shape,) * _sources(case)


def _shapes(tree, sharding):
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), tree
    )


if __name__ == "__main__":
    print(json.dumps(compile_task(json.load(sys.stdin))))
