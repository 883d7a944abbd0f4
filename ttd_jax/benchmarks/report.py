"""A benchmark of the fusion networks as text: Markdown tables."""

from ttd_jax.report.markdown import padded_table

_TIME = ("case", "seconds", "least to most", "scenes/s", "MP/s")
_PEER_TIME = ("torch, s", "least to most", "time / torch", "CPU / torch", "pictures differ by")
_COST = ("case", "trace, s", "XLA, s", "GFLOP", "GFLOP/s", "of peak", "planned, MB", "peak, MB")
_PEER_COST = ("torch, of peak", "torch, peak, MB", "peak / torch")
_NOTES = """\
GFLOP is the work of the fusion itself, every convolution by direct sums, however it is computed:
faster algorithms may exceed the peak. "of peak" compares with a matrix product of {side}x{side},
{flops} GFLOP/s; {bytes} MiB are read and written in place at {stream} GB/s. Planned memory is
XLA's, for temporaries; the peak is what running takes in a fresh process above imports, weights,
scenes and program. Ratios and shares are medians over the rounds.
"""
_BUSY = """\
The machine was busy (load {load:.1f} on {cpus} CPUs): threads that wait for each other, as
those of torch do, lose more than others. The ratio of CPU time suffers least.
"""


def markdown(result: dict) -> str:
    """What `benchmark_fusion` found, with what the command adds, for people."""
    matmul, stream = result["roofs"]["matmul"], result["roofs"]["stream"]
    cases = result["cases"]
    peer = "torch" in cases[0]
    times = [_times(case) + (_peer_times(case["torch"]) if peer else ()) for case in cases]
    costs = [_costs(case) + (_peer_costs(case["torch"]) if peer else ()) for case in cases]
    notes = _NOTES.format(
        side=matmul["side"],
        flops=_giga(matmul["flops_per_second"]),
        bytes=stream["bytes"] >> 20,
        stream=_giga(stream["bytes_per_second"]),
    )
    lines = [
        f"# Fusion on {result['device']}, {result['cpus']} CPUs",
        "",
        f"{result['repeats']} interleaved rounds, precision {result['precision']}, "
        f"weights: {result['weights']}; {_versions(result['versions'])}.",
        "",
        *padded_table(_TIME + (_PEER_TIME if peer else ()), times),
        "",
        *padded_table(_COST + (_PEER_COST if peer else ()), costs),
        "",
        notes.rstrip(),
    ]
    if (result["load"] or 0) > 1.5 * result["cpus"]:
        lines += ["", _BUSY.format(load=result["load"], cpus=result["cpus"]).rstrip()]
    if result["dynamic_over_static"]:
        lines += ["", *padded_table(*_overheads(result["dynamic_over_static"], peer))]
    return "\n".join(lines) + "\n"


def _times(case):
    return (
        case["name"],
        *_median_and_range(case["seconds"]),
        f"{case['scenes_per_second']:.3g}",
        f"{case['megapixels_per_second']:.3g}",
    )


def _peer_times(torch):
    return (
        *_median_and_range(torch["seconds"]),
        f"{torch['time_ratio']:.3f}",
        _or_none(torch["cpu_ratio"], lambda ratio: f"{ratio:.3f}"),
        f"{torch['difference']:.0e}",
    )


def _costs(case):
    return (
        case["name"],
        f"{case['compile_seconds']['lower']:.2f}",
        f"{case['compile_seconds']['compile']:.2f}",
        _giga(case["flops"]),
        _giga(case["flops_per_second"]),
        _or_none(case["share_of_matmul_peak"], _percent),
        _mega(case["memory"]["temporaries"]),
        _mega(case["peak"]["device_peak"] or case["peak"]["peak"]),
    )


def _peer_costs(torch):
    return (
        _or_none(torch["share_of_matmul_peak"], _percent),
        _mega(torch["peak"]["peak"]),
        _or_none(torch["memory_ratio"], lambda ratio: f"{ratio:.2f}"),
    )


def _median_and_range(seconds):
    return f"{seconds['median']:.4g}", f"{seconds['least']:.4g} to {seconds['most']:.4g}"


def _percent(share):
    return f"{share:.0%}"


def _overheads(ratios, peer):
    header = ("TTD over static", "time", "operations", *(["torch, time"] if peer else []))
    rows = [
        (
            f"{r['model']} {r['size'][0]}x{r['size'][1]}",
            f"{r['time_ratio']:.2f}",
            _or_none(r["flops_ratio"], lambda ratio: f"{ratio:.2f}"),
            *([f"{r['torch_time_ratio']:.2f}"] if peer else []),
        )
        for r in ratios
    ]
    return header, rows


def _versions(versions):
    return ", ".join(f"{name} {version}" for name, version in versions.items())


def _giga(value):
    return _or_none(value, lambda value: f"{value / 1e9:.3g}")


def _mega(value):
    return _or_none(value, lambda value: f"{value / 1e6:.0f}")


def _or_none(value, form):
    return "-" if value is None else form(value)
