"""The studies: which weighings are compared, on what, beside which published figures."""

import dataclasses
import itertools
from collections.abc import Callable, Iterable, Mapping

import jax
import jax.numpy as jnp
from ml_collections import ConfigDict

from ttd_jax.analysis.corruptions import CORRUPTIONS
from ttd_jax.analysis.weighing import Weighing
from ttd_jax.core.dominability import LOSS_MAPS, NORMS, DominabilitySettings
from ttd_jax.folders import MANIFEST
from ttd_jax.networks import FusionSpec, lookup, networks
from ttd_jax.places import place
from ttd_jax.report import published

STATIC = Weighing(name="static")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Pass:
    """One run over the scenes.

    Attributes:
      name: for files and tables.
      weighings: what is compared.
      noise: on the network's parameters, see `analysis.noise`.
      sources: how many of each scene's; 0 for all. Scenes with fewer are left out.
      coordinate: position on the axis of the study's plot, where it has one.
      corruption: a key of `CORRUPTIONS`: RD is measured under this damage, nothing is fused.
      model: the network that fuses; empty for that of the configuration.
    """

    name: str
    weighings: tuple[Weighing, ...]
    noise: float = 0.0
    sources: int = 0
    coordinate: float | None = None
    corruption: str = ""
    model: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the passes that answer it.

    Attributes:
      name: its word on the command line.
      question: for the head of its table.
      compare: `(spec of the network, configuration) -> passes`, or the weighings that a single
        pass compares with static fusion.
      axis: what the plot's horizontal axis is; empty for a plot of changes from static fusion.
      panels: the measures that the plot shows; for corruptions a panel is a pass.
      theory: measure the terms of Theorem 3.1.
      datasets: those it runs on when none are named; all of the configuration's if empty.
      rows: configuration -> `{(pass, weighing): (published table, its row)}`, of IFCNN on LLVIP.
      passes: one or more, once it is planned.
      published: (pass, weighing) -> metric -> figure, once it is planned.
    """

    name: str
    question: str
    compare: Callable[[FusionSpec, ConfigDict], Iterable]
    axis: str = ""
    panels: tuple[str, ...] = ("SD", "AG", "SF", "SSIM")
    theory: bool = False
    datasets: tuple[str, ...] = ()
    rows: Callable[[ConfigDict], Mapping] = lambda config: {}
    passes: tuple[Pass, ...] = ()
    published: Mapping[tuple[str, str], Mapping[str, float]] | None = None

    @property
    def probing(self) -> bool:
        """Whether its passes damage sources and fuse nothing."""
        return bool(self.passes[0].corruption)

    @property
    def across(self) -> bool:
        """Whether its passes are of several networks."""
        return bool(self.passes[0].model)

    def plan(self, spec: FusionSpec, config: ConfigDict) -> "Study":
        """The study of one network.

        Args:
          spec: of the network.
          config: see `configs/analyze.py`.

        Raises:
          ValueError: a field of the configuration does not fit the network.
        """
        passes = tuple(self.compare(spec, config))
        if not passes:
            raise ValueError(f"weights_dir={config.weights_dir}: holds weights of no network")
        if isinstance(passes[0], Weighing):
            passes = (Pass(name="all", weighings=(STATIC, *passes)),)
        rows = self.rows(config) if spec.published_as == "IFCNN" else {}
        figures = {place: table.rows[method] for place, (table, method) in rows.items()}
        return dataclasses.replace(self, passes=passes, published=figures)


def _theory(spec, config):
    for preset, settings in _presets(spec, config).items():
        opposite = dataclasses.replace(settings, correlation="positive")
        yield Weighing(name=preset, settings=settings)
        yield Weighing(name=f"{preset}, positive", settings=opposite)


def _values(field, names):
    """Compares values of a field of the network's own settings: value -> its name in tables."""

    def compare(spec, config):
        for value, name in names.items():
            settings = dataclasses.replace(_default(spec), **{field: value})
            yield Weighing(name=name, settings=settings)

    return compare


def _grid(spec, config):
    for loss, norm, t in itertools.product(LOSS_MAPS, NORMS, config.temperatures):
        settings = DominabilitySettings(loss=loss, norm=norm, space="network", temperature=t)
        curve = f"{loss} {norm}"
        yield Weighing(name=f"{curve} t={t:g}", settings=settings, coordinate=t, curve=curve)


def _noise(spec, config):
    for level in (0.0, *published.PARAMETER_NOISE):
        name = f"noise {level:g}"
        yield Pass(name=name, weighings=_own(spec), noise=level, coordinate=level)


def _sources(spec, config):
    for count in (2, 3, 4, 5):
        name, place = f"{count} sources", float(count)
        yield Pass(name=name, weighings=_own(spec), sources=count, coordinate=place)


def _gradient(spec, config):
    settings = dataclasses.replace(_default(spec), **dict(config.gradient))
    count = _feature_channels(spec)
    if not 0 <= config.channel < count:
        raise ValueError(
            f"config.channel={config.channel}: {spec.name} has channels 0..{count - 1}"
        )
    yield Weighing(name=f"loss map, {_default(spec).loss}", settings=_default(spec))
    yield Weighing(name="gradient, all channels", settings=settings, channel="all")
    yield Weighing(name=_chosen(config), settings=settings, channel=config.channel)
    yield Weighing(name="gradient, auto", settings=settings, channel="auto")


def _chosen(config):
    return f"gradient, channel {config.channel}"


def _temperature(spec, config):
    for preset, settings in _presets(spec, config).items():
        yield Weighing(name=f"{preset} t={settings.temperature:g}", settings=settings)
        yield Weighing(name=f"{preset}, t chosen", settings=settings, adaptive=True)


def _probes(spec, config):
    weighings = tuple(
        Weighing(name=f"{preset}, severity {s:g}", settings=settings, coordinate=s, curve=preset)
        for preset, settings in _presets(spec, config).items()
        for s in config.severities
    )
    for name in _known("corruptions", config.corruptions, CORRUPTIONS):
        yield Pass(name=name, weighings=weighings, corruption=name)


def _networks(spec, config):
    here = place(config.weights_dir)
    names = _known("networks", config.networks, networks())
    for name in names:
        if config.networks or (here / name / MANIFEST).is_file():
            presets = lookup(name).presets
            chosen = [p for p in config.presets or presets if p in presets]
            weighings = (Weighing(name=p, settings=presets[p]) for p in chosen)
            yield Pass(name=name, model=name, weighings=(STATIC, *weighings))


def _ablations(config):
    return {
        ("all", weighing): (table, row)
        for weighing, table, row in (
            ("static", published.FORM_OF_WEIGHT, "w=0.5"),
            *((row, published.FORM_OF_WEIGHT, row) for row in published.FORM_OF_WEIGHT.rows),
            *((row, published.NORMALIZATION, row) for row in published.NORMALIZATION.rows),
            ("negative", published.FORM_OF_WEIGHT, "softmax(exp(-l))"),
            ("positive", published.CORRELATION, "positive"),
            (_chosen(config), published.GRADIENT, "best channel"),
        )
    }


def _noise_table(config):
    return {
        (f"noise {level:g}", weighing): (table, row)
        for level, table in published.PARAMETER_NOISE.items()
        for weighing, row in (("static", "IFCNN"), ("ttd", "IFCNN+TTD"))
    }


_FORMS = {"linear": "softmax(-l)", "sigmoid": "softmax(sigmoid(-l))", "exp": "softmax(exp(-l))"}
_NORMALIZATIONS = {"none": "none", "proportional": "proportional", "softmax": "softmax"}
_CORRELATIONS = {"negative": "negative", "positive": "positive"}

STUDIES: Mapping[str, Study] = {
    study.name: study
    for study in (
        Study(
            name="theory",
            question="Is the bound of Theorem 3.1 lower with dynamic weights than with static "
            "ones, and does the inequality hold for this network?",
            compare=_theory,
            theory=True,
        ),
        Study(
            name="form",
            question="Which form of weight (Table 4)?",
            compare=_values("form", _FORMS),
            rows=_ablations,
        ),
        Study(
            name="normalization",
            question="Which normalization over the sources (Table 5)?",
            compare=_values("normalization", _NORMALIZATIONS),
            rows=_ablations,
        ),
        Study(
            name="correlation",
            question="Weights that fall with the loss against weights that rise with it (Fig. 5b)?",
            compare=_values("correlation", _CORRELATIONS),
            rows=_ablations,
        ),
        Study(
            name="grid",
            question="Which loss map, norm and temperature; is there one rule that gives all of "
            "the published gains?",
            compare=_grid,
            axis="temperature t",
        ),
        Study(
            name="noise",
            question="Does TTD still help a network whose parameters are noisy (Table 8)?",
            compare=_noise,
            axis="noise on the parameters",
            rows=_noise_table,
        ),
        Study(
            name="sources",
            question="How many sources: from 2 to 5?",
            compare=_sources,
            axis="number of sources",
            datasets=("generated/exposures", "generated/focus", "lytro/triples"),
        ),
        Study(
            name="gradient",
            question="RD from gradients (eq. 7): which feature channel, and can it be chosen "
            "without ground truth?",
            compare=_gradient,
            rows=_ablations,
        ),
        Study(
            name="temperature",
            question="Does choosing t for every scene, by the bound's data term alone, help?",
            compare=_temperature,
            theory=True,
        ),
        Study(
            name="networks",
            question="Does TTD help networks that it was never tried on, and by which loss map?",
            compare=_networks,
        ),
        Study(
            name="probes",
            question="How does RD of a damaged region fall as one source gets worse (Figs. 6 to "
            "8)?",
            compare=_probes,
            axis="severity",
            panels=("rd_region",),
        ),
    )
}


def _default(spec):
    return spec.presets[spec.default_preset]


def _own(spec):
    """The network as it is, static and with TTD."""
    return STATIC, Weighing(name="ttd", settings=_default(spec))


def _presets(spec, config):
    return {name: spec.presets[name] for name in _known("presets", config.presets, spec.presets)}


def _known(field, chosen, known):
    """The chosen names, all if there are none; refuses others."""
    for name in chosen:
        if name not in known:
            raise ValueError(f"config.{field}: unknown {name!r}: known: {', '.join(known)}")
    return tuple(chosen) or tuple(known)


def _feature_channels(spec):
    """How many channels the features of a network have, all leaves together."""

    def encode():
        shape = jnp.zeros(spec.input_shape)
        return spec.build().init_with_output(jax.random.key(0), shape, method="encode")[0]

    return sum(leaf.shape[-1] for leaf in jax.tree.leaves(jax.eval_shape(encode)))
