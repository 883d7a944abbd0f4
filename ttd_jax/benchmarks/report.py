"""A benchmark of the fusion networks as text: Markdown tables."""

from ttd_jax.report.markdown import padded_table

_NOTES = """\
GFLOP is the work of the fusion itself, every convolution by direct sums, however it is computed:
faster algorithms may exceed the peak. "of peak" compares with a matrix product of {side}x{side},
{flops} GFLOP/s; {bytes} MiB are read and written in place at {stream} GB/s. Planned memory is
XLA's, for temporaries; the peak is what running takes in a fresh process above imports, weights,
scenes and program. Ratios and shares are medians over the rounds. What is compared with compiles
in its first run: the time that this took above a later one's.
"""
_BUSY = """\
The machine was busy (load {load:.1f} on {cpus} CPUs): threads that wait for each other, as
those of torch do, lose more than others. The ratio of CPU time suffers least.
"""


def markdown(result: dict) -> str:
    """What `benchmark_fusion` found, with what the command adds, for people."""
    matmul, stream = result["roofs"]["matmul"], result["roofs"]["stream"]
    versions = ", ".join(f"{name} {version}" for name, version in result["versions"].items())
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
        f"weights: {result['weights']}; {versions}.",
        "",
        *_table([_times(case) for case in result["cases"]]),
        "",
        *_table([_costs(case) for case in result["cases"]]),
        "",
        *_beside(result["cases"]),
        notes.rstrip(),
    ]
    if (result["load"] or 0) > 1.5 * result["cpus"]:
        lines += ["", _BUSY.format(load=result["load"], cpus=result["cpus"]).rstrip()]
    if result["dynamic_over_static"]:
        lines += ["", *_table([_overheads(ratio) for ratio in result["dynamic_over_static"]])]
    return "\n".join(lines) + "\n"


def _times(case):
    return {
        "case": case["name"],
        "seconds": _median(case),
        "least to most": _range(case),
        "scenes/s": f"{case['scenes_per_second']:.3g}",
        "MP/s": f"{case['megapixels_per_second']:.3g}",
    }


def _costs(case):
    return {
        "case": case["name"],
        "trace, s": f"{case['compile_seconds']['lower']:.2f}",
        "XLA, s": f"{case['compile_seconds']['compile']:.2f}",
        "GFLOP": _giga(case["flops"]),
        "GFLOP/s": _giga(case["flops_per_second"]),
        "of peak": _or_none(case["share_of_matmul_peak"], "{:.0%}"),
        "planned, MB": _mega(case["memory"]["temporaries"]),
        "peak, MB": _mega(case["peak"]["device_peak"] or case["peak"]["peak"]),
    }


def _beside(cases):
    """The lines of the table of what is compared with, and an empty one; none without."""
    rows = [
        {
            "ours over theirs": f"{case['name']}, {name}",
            "time": f"{peer['time_ratio']:.3f}",
            "CPU": _or_none(peer["cpu_ratio"], "{:.3f}"),
            "peak": _or_none(peer["memory_ratio"], "{:.2f}"),
            "theirs, s": _median(peer),
            "least to most": _range(peer),
            "compile, s": f"{peer['compile_seconds']:.2f}",
            "of peak": _or_none(peer["share_of_matmul_peak"], "{:.0%}"),
            "peak, MB": _mega(peer["peak"]["peak"]),
            "pictures differ by": f"{peer['difference']:.0e}",
        }
        for case in cases
        for name, peer in case["peers"].items()
    ]
    return [*_table(rows), ""] if rows else []


def _overheads(ratio):
    columns = {
        "TTD over static": f"{ratio['model']} {ratio['size'][0]}x{ratio['size'][1]}",
        "time": f"{ratio['time_ratio']:.2f}",
        "operations": _or_none(ratio["flops_ratio"], "{:.2f}"),
    }
    columns |= {f"{name}, time": f"{r:.2f}" for name, r in ratio["peer_time_ratios"].items()}
    return columns


def _table(rows):
    """The lines of a table of dicts, column -> cell, all with the same columns."""
    return padded_table(list(rows[0]), [list(row.values()) for row in rows])


def _median(side):
    return f"{side['seconds']['median']:.4g}"


def _range(side):
    return f"{side['seconds']['least']:.4g} to {side['seconds']['most']:.4g}"


def _giga(value):
    return "-" if value is None else f"{value / 1e9:.3g}"


def _mega(value):
    return "-" if value is None else f"{value / 1e6:.0f}"


def _or_none(value, form):
    return "-" if value is None else form.format(value)
