"""The fusion networks, static and TTD: how fast, how large, and beside the same in PyTorch."""

import dataclasses
import pathlib
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from statistics import median

import numpy as np
from flax import traverse_util

from ttd_jax.benchmarks import programs, roofs
from ttd_jax.benchmarks.cases import Case
from ttd_jax.benchmarks.memory import measure_apart
from ttd_jax.benchmarks.timing import Rounds, median_ratio, summarize, time_rounds
from ttd_jax.errors import UserError
from ttd_jax.processes import usable_cpus
from ttd_jax.report.progress import progress

TOLERANCE = 1e-3  # of the peer's fused images: beyond it the two do not do the same


def benchmark_fusion(
    cases: Sequence[Case],
    variables: Mapping[str, dict],
    *,
    repeats: int,
    peers: Sequence[str],
    cache: str,
) -> dict:
    """Compiles every case, measures its memory in a process of its own, then times all in turn.

    Args:
      cases: what to time, all of one precision.
      variables: of every model, not folded.
      repeats: rounds.
      peers: what to compare with, see `ttd_jax.benchmarks.programs.check_peers`.
      cache: an empty folder for JAX's compilation cache, which is to be in use already: it hands
        the programs to the processes that measure memory.

    Returns:
      `{'roofs', 'cases', 'dynamic_over_static'}`, JSON-able; the keys of a case are told by
      `_describe`.

    Raises:
      UserError: the peer does something else, or memory runs out.
    """
    threads = usable_cpus()
    steps = len(cases) * (2 + len(peers))
    runs = (1 + repeats) * (2 + len(cases) * (1 + len(peers)))
    functions = roofs.roof_functions(cases[0].precision)
    found = []
    with (
        progress(total=steps + runs, description="benchmark", unit="step") as bar,
        tempfile.TemporaryDirectory(prefix="ttd_jax-") as folder,
    ):
        files = _write_weights(variables, folder)
        for case in cases:
            program = programs.compile_case(case, variables[case.model])
            bar.update()
            task = {
                "case": dataclasses.asdict(case),
                "weights": files[case.model],
                "threads": threads,
            }
            record = {
                **_describe(case, program),
                "peak": measure_apart({**task, "side": "jax"}, cache=cache),
                "peers": {},
            }
            bar.update()
            functions[f"{case.name} jax"] = program.run
            for peer in peers:
                theirs = programs.torch_case(
                    case, variables[case.model], threads=threads, compiled=peer == "torch-compile"
                )
                start = time.perf_counter()
                theirs()
                record["peers"][peer] = {
                    "first_seconds": time.perf_counter() - start,
                    "difference": compare(case, program.run, theirs),
                    "peak": measure_apart({**task, "side": peer}, cache=cache),
                }
                bar.update()
                functions[f"{case.name} {peer}"] = theirs
            found.append(record)
        rounds = time_rounds(functions, repeats=repeats, advance=bar.update)
    return assemble(found, rounds)


def assemble(found: Sequence[dict], rounds: Rounds) -> dict:
    """What `benchmark_fusion` returns, from the records of `_describe` and the rounds."""
    return {
        "roofs": _roofs(rounds.wall),
        "cases": [_with_times(record, rounds) for record in found],
        "dynamic_over_static": _dynamic_over_static(found, rounds.wall),
    }


def _write_weights(variables, folder):
    files = {}
    for model, tree in variables.items():
        files[model] = str(pathlib.Path(folder) / f"{model}.npz")
        np.savez(files[model], **traverse_util.flatten_dict(tree, sep="/"))
    return files


def _describe(case, program):
    """What is known of a case before it is timed.

    `flops` are those of the fusion itself, however it is computed; `intensity`, operations a byte,
    is XLA's own count for the program as it was optimized, the body of a loop once; `memory` is its
    plan: bytes of arguments (weights included), outputs and temporaries. None where the platform
    does not tell.
    """
    cost, plan = program.compiled.cost_analysis() or {}, program.compiled.memory_analysis()
    sizes = (("arguments", "argument"), ("outputs", "output"), ("temporaries", "temp"))
    return {
        **dataclasses.asdict(case),
        "name": case.name,
        "size": list(case.size),
        "settings": case.settings if case.strategy == "ttd" else None,
        "compile_seconds": program.seconds,
        "flops": program.operations,
        "intensity": _over(cost.get("flops"), cost.get("bytes accessed")) or None,
        "memory": {kind: getattr(plan, f"{name}_size_in_bytes", None) for kind, name in sizes},
    }


def compare(case: Case, ours: Callable[[], tuple], theirs: Callable[[], tuple]) -> float:
    """The largest absolute difference of both sides' fused images.

    Raises:
      UserError: it is larger than `TOLERANCE`, or NaN.
    """
    other = np.moveaxis(theirs()[0].cpu().numpy(), 1, -1)
    mine = np.reshape(ours()[0], other.shape)  # without B where it is one
    difference = float(np.max(np.abs(mine - other)))
    if not difference <= TOLERANCE:  # NaN included
        raise UserError(
            f"{case.name}: the fused image differs from torch's by {difference:.2g}, more than "
            f"{TOLERANCE}: the two do not do the same, so they are not timed: try "
            "--precision=highest or other --weights"
        )
    return difference


def _roofs(rounds):
    matmul, stream = summarize(rounds["matmul"]), summarize(rounds["stream"])
    return {
        "matmul": {
            "side": roofs.SIDE,
            "seconds": matmul,
            "flops_per_second": roofs.matmul_rate(matmul["median"]),
        },
        "stream": {
            "bytes": 4 * roofs.LENGTH,
            "seconds": stream,
            "bytes_per_second": roofs.stream_rate(stream["median"]),
        },
    }


def _with_times(record, rounds):
    """A record of `_describe` with what its rounds say."""
    name = f"{record['name']} jax"
    result = {**record, **_rates(record, name, rounds)}
    result["peers"] = {}
    for peer, found in record["peers"].items():
        theirs = f"{record['name']} {peer}"
        rates = _rates(record, theirs, rounds)
        result["peers"][peer] = {
            **found,
            **rates,
            "compile_seconds": max(0.0, found["first_seconds"] - rates["seconds"]["median"]),
            "time_ratio": median_ratio(rounds.wall[name], rounds.wall[theirs]),
            "cpu_ratio": _over(median(rounds.cpu[name]), median(rounds.cpu[theirs])),
            "memory_ratio": _over(record["peak"]["peak"], found["peak"]["peak"]),
        }
    return result


def _rates(record, name, rounds):
    """Seconds and what follows from them; the operations are the same on both sides."""
    times, flops = rounds.wall[name], record["flops"]
    seconds = summarize(times)
    pixels = record["batch"] * record["size"][0] * record["size"][1]
    share = None
    if flops:
        # The roof's own time at the operations of the case, round by round.
        roof = [flops / roofs.matmul_rate(t) for t in rounds.wall["matmul"]]
        share = median_ratio(roof, times)
    return {
        "rounds": times,
        "seconds": seconds,
        "cpu_seconds": median(rounds.cpu[name]),
        "scenes_per_second": record["batch"] / seconds["median"],
        "megapixels_per_second": pixels / 1e6 / seconds["median"],
        "flops_per_second": flops / seconds["median"] if flops else None,
        "share_of_matmul_peak": share,
    }


def _dynamic_over_static(found, rounds):
    """TTD's time and operations over those of static fusion, where both were timed."""
    cases = {(r["model"], *r["size"], r["strategy"]): r for r in found}
    ratios = []
    for (model, *size, strategy), dynamic in cases.items():
        static = cases.get((model, *size, "static"))
        if strategy != "ttd" or static is None:
            continue
        ratio = {
            "model": model,
            "size": size,
            "time_ratio": median_ratio(
                rounds[f"{dynamic['name']} jax"], rounds[f"{static['name']} jax"]
            ),
            "flops_ratio": _over(dynamic["flops"], static["flops"]),
        }
        ratio["peer_time_ratios"] = {
            peer: median_ratio(
                rounds[f"{dynamic['name']} {peer}"], rounds[f"{static['name']} {peer}"]
            )
            for peer in dynamic["peers"]
        }
        ratios.append(ratio)
    return ratios


def _over(a, b):
    return a / b if a is not None and b else None
