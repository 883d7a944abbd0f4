"""The metrics: one entry each. Adding one is a function and `register_metric`."""

import dataclasses
import inspect
import math
from collections.abc import Callable, Iterable, Mapping

import jax

from ttd_jax.errors import UserError, check_choice
from ttd_jax.metrics import gradients, information, qabf, statistics, vif
from ttd_jax.metrics import ssim as structure
from ttd_jax.registry import Registry, check_function


@dataclasses.dataclass(frozen=True, kw_only=True)
class Metric:
    """What is known of one metric.

    Attributes:
      name: its column in the tables.
      function: `(fused f32[H, W], sources f32[M, H, W], *, protocol) -> f32 scalar`, in jax.numpy;
        see `sized` for one that also takes `extent`.
      better: 'up' or 'down'.
      low, high: its limits ('paper' protocol).
      per_source: the limits are those of one source, to be multiplied by M.
      needs_sources: False if it looks at the fused image alone; `sources` may then be None.
      variants: protocol -> its definition, for a metric on which the protocols differ.
      tolerance: largest relative difference from the same definition in float64.
      description: what it measures, in a line.
      reference: where it was published.
    """

    name: str
    function: Callable[..., jax.Array]
    better: str = "up"
    low: float = 0.0
    high: float
    per_source: bool = False
    needs_sources: bool = True
    variants: Mapping[str, str] = dataclasses.field(default_factory=dict)
    tolerance: float = 1e-4
    description: str
    reference: str

    def __post_init__(self) -> None:
        what = f"metric {self.name!r}"
        check_function(what, self.function, "(fused, sources, *, protocol)")
        check_choice(f"{what}: better", self.better, ("up", "down"))
        if not self.low < self.high:
            raise UserError(f"{what}: low={self.low} must be below high={self.high}")

    @property
    def sized(self) -> bool:
        """Whether its function takes `extent`, see `evaluate`."""
        try:
            return "extent" in inspect.signature(self.function).parameters
        except ValueError:  # of some that are compiled nobody knows
            return False

    @property
    def range(self) -> str:
        """The limits as text, such as '-M .. M'."""
        return f"{_limit(self.low, self.per_source)} .. {_limit(self.high, self.per_source)}"


EVERY = "all"

METRICS: Registry[Metric] = Registry("metric", reserved=(EVERY,), replaced=jax.clear_caches)


def register_metric(metric: Metric) -> None:
    """Makes a metric known by its name: to `evaluate`, and to every command that scores.

    Args:
      metric: what is known of it.

    Raises:
      UserError: it is no `Metric`, or its name is none or taken, in whatever case.
    """
    if not isinstance(metric, Metric):
        raise UserError(f"register_metric takes a ttd_jax.Metric, got {metric!r}")
    METRICS.register(metric.name, metric, code=metric.function)


for _metric in (
    Metric(
        name="EN",
        function=information.entropy,
        high=8.0,
        needs_sources=False,
        description="entropy of the gray histogram, bits",
        reference="Roberts et al., J. Appl. Remote Sens. 2 (2008) 023522",
    ),
    Metric(
        name="SD",
        function=statistics.standard_deviation,
        high=127.5,
        needs_sources=False,
        description="standard deviation: contrast",
        reference="Rao, Meas. Sci. Technol. 8 (1997) 355-367",
    ),
    Metric(
        name="AG",
        function=gradients.average_gradient,
        high=255.0,
        needs_sources=False,
        variants={"paper": "mean over all H W pixels", "vifb": "sum / ((H - 1) (W - 1))"},
        description="average gradient: sharpness",
        reference="Cui et al., Opt. Commun. 341 (2015) 199-209",
    ),
    Metric(
        name="EI",
        function=gradients.edge_intensity,
        high=270.5,
        needs_sources=False,
        variants={"paper": "Sobel / 4", "vifb": "raw Sobel: 4 times as much"},
        description="edge intensity: mean Sobel strength",
        reference="Rajalingam and Priya, Int. J. Eng. Sci. Invention 2 (2018)",
    ),
    Metric(
        name="SF",
        function=gradients.spatial_frequency,
        high=360.7,
        needs_sources=False,
        variants={
            "paper": "mean over each direction's own differences",
            "vifb": "both sums / (H W)",
        },
        description="spatial frequency: differences of neighbors",
        reference="Eskicioglu and Fisher, IEEE Trans. Commun. 43 (1995) 2959-2965",
    ),
    Metric(
        name="SCD",
        function=statistics.sum_of_correlations_of_differences,
        low=-1.0,
        high=1.0,
        per_source=True,
        description="what remains without the other sources, correlated with each source",
        reference="Aslantas and Bendes, AEU 69 (2015) 1890-1896",
    ),
    Metric(
        name="CE",
        function=information.cross_entropy,
        better="down",
        high=23.3,
        variants={
            "paper": "root mean square over m of -sum p_m log2(p_F + 1e-7)",
            "vifb": "mean over m of sum p_m log2(p_m / p_F), grays that both have",
        },
        description="cross entropy of the gray histograms, source to fused, bits",
        reference="Bulanon et al., Biosyst. Eng. 103 (2009) 12-22",
    ),
    Metric(
        name="SSIM",
        function=structure.ssim,
        low=-1.0,
        high=1.0,
        per_source=True,
        variants={
            "paper": "7x7 uniform window, sample covariance",
            "vifb": "11x11 Gaussian window, sd 1.5, population covariance",
        },
        description="structural similarity with the sources",
        reference="Wang et al., IEEE Trans. Image Process. 13 (2004) 600-612",
    ),
    Metric(
        name="MI",
        function=information.mutual_information,
        high=math.log(256.0),
        per_source=True,
        description="mutual information with the sources, nats",
        reference="Qu et al., Electron. Lett. 38 (2002) 313-315",
    ),
    Metric(
        name="NMI",
        function=information.normalized_mutual_information,
        high=1.0,
        per_source=True,
        description="mutual information over the mean entropy of the two images",
        reference="Hossny et al., Electron. Lett. 44 (2008) 1066-1067",
    ),
    Metric(
        name="VIF",
        function=vif.visual_information_fidelity,
        high=math.inf,
        per_source=True,
        tolerance=1e-3,
        description="visual information of the sources that is kept, pixel domain",
        reference="Sheikh and Bovik, IEEE Trans. Image Process. 15 (2006) 430-444",
    ),
    Metric(
        name="Qabf",
        function=qabf.edge_preservation,
        high=0.975,
        tolerance=1e-3,
        description="edges of the sources that are kept",
        reference="Xydeas and Petrovic, Electron. Lett. 36 (2000) 308-309",
    ),
    Metric(
        name="CC",
        function=statistics.correlation,
        low=-1.0,
        high=1.0,
        description="mean correlation with the sources",
        reference="Ma et al., Inf. Fusion 45 (2019) 153-178",
    ),
    Metric(
        name="MSE",
        function=statistics.mean_squared_error,
        better="down",
        high=65025.0,
        description="mean squared error against the sources",
        reference="Ma et al., Inf. Fusion 45 (2019) 153-178",
    ),
    Metric(
        name="PSNR",
        function=statistics.psnr,
        low=-statistics.PSNR_LIMIT,
        high=statistics.PSNR_LIMIT,
        description="peak signal-to-noise ratio against the sources, decibel",
        reference="Jagalingam and Hegde, Aquat. Procedia 4 (2015) 133-142",
    ),
):
    register_metric(_metric)


def lookup(name: str) -> Metric:
    """The metric of a name, in any case.

    Raises:
      UserError: for an unknown name; the message suggests the nearest known one.
    """
    return METRICS[{key.lower(): key for key in METRICS}.get(str(name).lower(), name)]


def unsized(names: Iterable[str]) -> list[str]:
    """Those of the metrics that take no extent."""
    return [name for name in names if not lookup(name).sized]


def choose(names: Iterable[str] | None = None) -> tuple[str, ...]:
    """The metrics that are meant, each once.

    Args:
      names: in any case, or 'all' among them for every known one; by default, and for none, those
        that come with this package: a plug-in that is installed changes no results.

    Raises:
      UserError: for an unknown name, and for a text in place of names.
    """
    if isinstance(names, str):
        raise UserError(f"metrics are named one by one: pass [{names!r}], not {names!r}")
    names = tuple(names or METRICS.own())
    if EVERY in names:
        return tuple(METRICS)
    return tuple(dict.fromkeys(lookup(name).name for name in names))


def _limit(value: float, per_source: bool) -> str:
    if math.isinf(value):
        return "inf"
    if not per_source or value == 0:
        return f"{value:g}"
    return {1.0: "M", -1.0: "-M"}.get(value, f"{value:.2f} M")
