"""The roofline of a benchmark, with Matplotlib."""

from matplotlib.figure import Figure
from matplotlib.ticker import FormatStrFormatter, FuncFormatter

from ttd_jax.report import plot
from ttd_jax.report.palette import BLUE, GREEN, ORANGE, PURPLE, SKY_BLUE, VERMILION

# One a model and size. Markers: one a strategy.
_COLORS = (BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY_BLUE)
_MARKERS = {"static": "s", "ttd": "o"}
_FILLS = {"torch": "none", "torch-compile": "left"}


def roofline(result: dict) -> bytes:
    """A PNG: operations a second over operations a byte, below what the device was measured to do.

    Each case is one point, with one for each peer (hollow or half filled, drawn at the operations
    a byte of our program); cases without a count are left out.
    """
    with plot.styled():
        figure = Figure(figsize=(7.2, 4.6), layout="constrained")
        _draw(figure.subplots(), result)
        return plot.as_png(figure)


def _draw(axes, result):
    cases = [case for case in result["cases"] if case["flops"] and case["intensity"]]
    places = list(dict.fromkeys((case["model"], *case["size"]) for case in cases))
    sides = [side for case in cases for side in (case, *case["peers"].values())]
    rates = [side["flops_per_second"] / 1e9 for side in sides]
    _draw_roof(axes, result["roofs"], [case["intensity"] for case in cases], rates)
    for case in cases:
        intensity = case["intensity"]
        place = places.index((case["model"], *case["size"]))
        style = {
            "color": _COLORS[place % len(_COLORS)],
            "marker": _MARKERS[case["strategy"]],
            "linestyle": "none",
            "markersize": 7,
        }
        rate = case["flops_per_second"] / 1e9
        axes.plot(intensity, rate, label=case["name"], **style)
        for name, peer in case["peers"].items():
            theirs = peer["flops_per_second"] / 1e9
            axes.plot([intensity] * 2, [rate, theirs], color=style["color"], linewidth=0.6)
            axes.plot(intensity, theirs, **style, fillstyle=_FILLS[name])
    axes.set_xlabel("operations a byte")
    axes.set_ylabel("GFLOP/s")
    axes.set_title(f"Fusion on {result['device']}, {result['cpus']} CPUs")
    title = None
    if any(case["peers"] for case in cases):
        title = "hollow: torch, half: torch-compile, at the operations a byte of our program"
    plot.legend_below(axes.figure, columns=2, title=title)


def _draw_roof(axes, roofs, intensities, rates):
    peak = roofs["matmul"]["flops_per_second"] / 1e9
    bandwidth = roofs["stream"]["bytes_per_second"] / 1e9
    ridge = peak / bandwidth
    low, high = min([ridge, *intensities]) / 2, max([ridge, *intensities]) * 4
    axes.plot([low, ridge, high], [low * bandwidth, peak, peak], color="0.3", linewidth=1.2)
    beside = {"textcoords": "offset points", "fontsize": 8, "color": "0.3"}
    text = f"matrix product: {peak:.3g} GFLOP/s"
    axes.annotate(text, (high, peak), (0, 4), ha="right", **beside)
    # Below the slope, wherever the limits put it.
    text = f"memory: {bandwidth:.3g} GB/s"
    axes.annotate(text, (low, low * bandwidth), (12, 0), va="center", **beside)
    axes.set_xscale("log")
    axes.set_yscale("log")
    axes.set_xlim(low, high)
    axes.set_ylim(min([low * bandwidth, *rates]) / 1.5, max([peak, *rates]) * 1.5)
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_formatter(FuncFormatter(_some))


def _some(value, _):
    """Labels of minor ticks: those at two and five times a power of ten."""
    return f"{value:g}" if f"{value:e}"[0] in "25" else ""
