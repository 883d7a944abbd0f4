"""The two sides of a case, ready to be run: this package's compiled program, and torch's."""

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import numpy as np

from ttd_jax.benchmarks.cases import Case, make_scenes
from ttd_jax.benchmarks.peers import import_peer
from ttd_jax.core import fusion
from ttd_jax.errors import UserError
from ttd_jax.networks import folding

PEER_SETTINGS = ("loss", "norm", "space", "clip", "temperature")  # which RD settings it knows


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled case.

    Attributes:
      run: gives the images f32[B, H, W, C] and RD f32[B, M, H, W], without B where it is one.
      compiled: what XLA made of it.
      operations: of the fusion itself, None where nobody tells.
      seconds: of tracing and lowering ('lower') and of XLA's compilation ('compile').
    """

    run: Callable[[], tuple]
    compiled: jax.stages.Compiled
    operations: float | None
    seconds: dict[str, float]


def compile_case(case: Case, variables: Mapping[str, Any]) -> Program:
    """Compiles a case as users run it: folded, the image and RD as one program.

    Args:
      case: what to fuse, and how.
      variables: of the network, not folded.
    """
    settings = case.spec.read_settings(case.settings)
    variables = jax.tree.map(jax.numpy.asarray, variables)
    model = folding.fold(case.spec.bind(variables, settings=settings, precision=case.precision))
    scenes = jax.device_put(make_scenes(case))

    def fuse(model, sources):
        result = fusion.fuse(model, sources, model.strategy(case.strategy))
        return result.image, result.dominability

    if case.batch == 1:
        scenes = scenes[0]
    else:
        fuse = jax.vmap(fuse, in_axes=(None, 0))
    jax.block_until_ready((model, scenes))
    jax.clear_caches()  # other cases may have traced parts of this one
    start = time.perf_counter()
    traced = jax.jit(fuse).trace(model, scenes)
    lowered = traced.lower()
    middle = time.perf_counter()
    compiled = lowered.compile()
    seconds = {"lower": middle - start, "compile": time.perf_counter() - middle}
    # XLA counts the body of a loop once, and CPUs work tile by tile: so as GPUs would. TPUs take
    # products for sums.
    cost = traced.lower(lowering_platforms=("cuda",)).cost_analysis() or {}
    return Program(
        run=lambda: compiled(model, scenes),
        compiled=compiled,
        operations=cost.get("flops"),
        seconds=seconds,
    )


def check_peers(cases: Sequence[Case], peers: Sequence[str]) -> None:
    """Makes sure that torch can do the same.

    Args:
      cases: what to time.
      peers: of `ttd_jax.benchmarks.peers.PEERS`, at least one.

    Raises:
      UserError: it is not installed, does not have a case's network or loss map, or is to compile
        and cannot.
    """
    peer = import_peer("twins.fusion")
    for case in cases:
        kind, name, known = "network", case.model, tuple(peer.TWINS)
        if name in known and case.strategy == "ttd":
            kind, name, known = "loss map", case.settings["loss"], peer.LOSSES
        if name not in known:
            raise UserError(
                f"--peer={','.join(peers)}: the {kind} {name!r} has no twin in PyTorch: leave "
                f"--peer out, or choose from {', '.join(known)}"
            )
    if "torch-compile" in peers:
        _check_compiler()


def _check_compiler():
    import torch

    try:  # which also does what is done once, so that no case's seconds have it
        torch.compile(lambda x: x + 1)(torch.zeros(2))
    except RuntimeError as error:
        reason = next(iter(str(error).splitlines()), "it does not say why")
        raise UserError(
            f"--peer=torch-compile: torch cannot compile here ({reason}): install a C++ compiler, "
            "such as g++, or choose --peer=torch"
        ) from error


def torch_case(
    case: Case,
    variables: Mapping[str, Any],
    *,
    threads: int,
    compiled: bool = False,
    device: str = "cpu",
) -> Callable[[], tuple]:
    """The same case in PyTorch: eager or through `torch.compile`, without gradients.

    Args:
      case: what to fuse, and how.
      variables: of the network, as JAX has them.
      threads: that torch may use.
      compiled: whether its first call makes Inductor compile the whole, one graph of static shapes.
      device: torch's name of it, 'cpu' or 'cuda'.

    Returns:
      A function without arguments that gives the images, a tensor [B, C, H, W], and RD or None,
      once they are there.

    Raises:
      UserError: torch is not installed.
    """
    peer, states = import_peer("twins.fusion"), import_peer("twins.random_state")
    import torch

    torch.set_num_threads(threads)
    with torch.device(device):
        network = peer.TWINS[case.model](states.as_state(case.spec, variables))
        scenes = torch.tensor(np.ascontiguousarray(np.moveaxis(make_scenes(case), -1, 2)))

    def fuse():
        if case.strategy == "static":
            return peer.static_fuse(network, scenes), None
        options = {name: case.settings[name] for name in PEER_SETTINGS}
        return peer.dynamic_fuse(network, scenes, **options)

    if compiled:
        torch._dynamo.config.recompile_limit = 256  # every case is one of the same function
        fuse = torch.compile(fuse, fullgraph=True, dynamic=False)

    def run():
        result = fuse()
        if device != "cpu":
            torch.accelerator.synchronize()
        return result

    return run
