"""The studies: which weighings are compared, on what, beside which published figures."""

import dataclasses
from collections.abc import Callable, Mapping

import jax
import jax.numpy as jnp

from ttd_jax.analysis.corruptions import CORRUPTIONS
from ttd_jax.analysis.weighing import Weighing
from ttd_jax.core.dominability import LOSS_MAPS, NORMS, DominabilitySettings
from ttd_jax.networks import FusionSpec
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
    """

    name: str
    weighings: tuple[Weighing, ...]
    noise: float = 0.0
    sources: int = 0
    coordinate: float | None = None
    corruption: str = ""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Study:
    """A question, and the passes that answer it.

    Attributes:
      name: its word on the command line.
      question: for the head of its table.
      passes: one or more.
      axis: what the plot's horizontal axis is; empty for a plot of changes from static fusion.
      panels: the measures that the plot shows; for corruptions a panel is a pass.
      theory: measure the terms of Theorem 3.1.
      published: (pass, weighing) -> metric -> figure, all of IFCNN on LLVIP.
      datasets: those it runs on when none are named; all of the configuration's if empty.
    """

    name: str
    question: str
    passes: tuple[Pass, ...]
    axis: str = ""
    panels: tuple[str, ...] = ("SD", "AG", "SF", "SSIM")
    theory: bool = False
    published: Mapping[tuple[str, str], Mapping[str, float]] = dataclasses.field(
        default_factory=dict
    )
    datasets: tuple[str, ...] = ()

    @property
    def probing(self) -> bool:
        """Whether its passes damage sources and fuse nothing."""
        return bool(self.passes[0].corruption)


def _theory(spec, config):
    weighings = [STATIC]
    for preset, chosen in _presets(spec, config).items():
        opposite = dataclasses.replace(chosen, correlation="positive")
        weighings.append(Weighing(name=preset, settings=chosen))
        weighings.append(Weighing(name=f"{preset}, positive", settings=opposite))
    return Study(
        name="theory",
        question="Is the bound of Theorem 3.1 lower with dynamic weights than with static ones, "
        "and does the inequality hold for this network?",
        passes=(Pass(name="all", weighings=tuple(weighings)),),
        theory=True,
    )


def _form(spec, config):
    base = _default(spec)
    forms = {"softmax(-l)": "linear", "softmax(sigmoid(-l))": "sigmoid", "softmax(exp(-l))": "exp"}
    weighings = [
        Weighing(name=name, settings=dataclasses.replace(base, form=form))
        for name, form in forms.items()
    ]
    rows = {"static" if name == "w=0.5" else name: name for name in published.FORM_OF_WEIGHT.rows}
    return Study(
        name="form",
        question="Which form of weight (Table 4)?",
        passes=(Pass(name="all", weighings=(STATIC, *weighings)),),
        published=_figures(spec, published.FORM_OF_WEIGHT, rows),
    )


def _normalization(spec, config):
    base = _default(spec)
    weighings = [
        Weighing(name=name, settings=dataclasses.replace(base, normalization=name))
        for name in ("none", "proportional", "softmax")
    ]
    figures = _figures(spec, published.NORMALIZATION, {n: n for n in published.NORMALIZATION.rows})
    return Study(
        name="normalization",
        question="Which normalization over the sources (Table 5)?",
        passes=(Pass(name="all", weighings=(STATIC, *weighings)),),
        published=figures | _figures(spec, published.FORM_OF_WEIGHT, {"static": "w=0.5"}),
    )


def _correlation(spec, config):
    base = _default(spec)
    weighings = [
        Weighing(name=name, settings=dataclasses.replace(base, correlation=name))
        for name in ("negative", "positive")
    ]
    figures = _figures(spec, published.CORRELATION, {"positive": "positive"})
    figures |= _figures(spec, published.FORM_OF_WEIGHT, {"static": "w=0.5"})
    figures |= _figures(spec, published.FORM_OF_WEIGHT, {"negative": "softmax(exp(-l))"})
    return Study(
        name="correlation",
        question="Weights that fall with the loss against weights that rise with it (Fig. 5b)?",
        passes=(Pass(name="all", weighings=(STATIC, *weighings)),),
        published=figures,
    )


def _grid(spec, config):
    weighings = [STATIC]
    for loss in LOSS_MAPS:
        for norm in NORMS:
            for t in config.temperatures:
                settings = DominabilitySettings(
                    loss=loss, norm=norm, space="network", temperature=t
                )
                curve = f"{loss} {norm}"
                weighings.append(
                    Weighing(name=f"{curve} t={t:g}", settings=settings, coordinate=t, curve=curve)
                )
    return Study(
        name="grid",
        question="Which loss map, norm and temperature; is there one rule that gives all of the "
        "published gains?",
        passes=(Pass(name="all", weighings=tuple(weighings)),),
        axis="temperature t",
    )


def _noise(spec, config):
    ttd = Weighing(name="ttd", settings=_default(spec))
    levels = (0.0, *published.PARAMETER_NOISE)
    figures = {}
    for level, table in published.PARAMETER_NOISE.items():
        names = {"static": spec.published_as, "ttd": f"{spec.published_as}+TTD"}
        figures |= _figures(spec, table, names, f"noise {level:g}")
    return Study(
        name="noise",
        question="Does TTD still help a network whose parameters are noisy (Table 8)?",
        passes=tuple(
            Pass(
                name=f"noise {level:g}",
                weighings=(STATIC, ttd),
                noise=level,
                coordinate=level,
            )
            for level in levels
        ),
        axis="noise on the parameters",
        published=figures,
    )


def _sources(spec, config):
    ttd = Weighing(name="ttd", settings=_default(spec))
    return Study(
        name="sources",
        question="How many sources: from 2 to 5?",
        passes=tuple(
            Pass(
                name=f"{count} sources",
                weighings=(STATIC, ttd),
                sources=count,
                coordinate=float(count),
            )
            for count in (2, 3, 4, 5)
        ),
        axis="number of sources",
        datasets=("generated/exposures", "generated/focus", "lytro/triples"),
    )


def _gradient(spec, config):
    base = dataclasses.replace(_default(spec), **dict(config.gradient))
    count = _feature_channels(spec)
    if not 0 <= config.channel < count:
        raise ValueError(
            f"config.channel={config.channel}: {spec.name} has channels 0..{count - 1}"
        )
    channels = {"all channels": "all", f"channel {config.channel}": config.channel, "auto": "auto"}
    weighings = [
        Weighing(name=f"gradient, {name}", settings=base, channel=channel)
        for name, channel in channels.items()
    ]
    plain = Weighing(name=f"loss map, {_default(spec).loss}", settings=_default(spec))
    figures = _figures(spec, published.FORM_OF_WEIGHT, {"static": "w=0.5"})
    figures |= _figures(
        spec, published.GRADIENT, {f"gradient, channel {config.channel}": "best channel"}
    )
    return Study(
        name="gradient",
        question="RD from gradients (eq. 7): which feature channel, and can it be chosen without "
        "ground truth?",
        passes=(Pass(name="all", weighings=(STATIC, plain, *weighings)),),
        published=figures,
    )


def _temperature(spec, config):
    weighings = [STATIC]
    for preset, settings in _presets(spec, config).items():
        weighings.append(Weighing(name=f"{preset} t={settings.temperature:g}", settings=settings))
        weighings.append(Weighing(name=f"{preset}, t chosen", settings=settings, adaptive=True))
    return Study(
        name="temperature",
        question="Does choosing t for every scene, by the bound's data term alone, help?",
        passes=(Pass(name="all", weighings=tuple(weighings)),),
        theory=True,
    )


def _probes(spec, config):
    weighings = tuple(
        Weighing(
            name=f"{preset}, severity {severity:g}",
            settings=settings,
            coordinate=severity,
            curve=preset,
        )
        for preset, settings in _presets(spec, config).items()
        for severity in config.severities
    )
    return Study(
        name="probes",
        question="How does RD of a damaged region fall as one source gets worse (Figs. 6 to 8)?",
        passes=tuple(
            Pass(name=name, weighings=weighings, corruption=name)
            for name in _known("corruptions", config.corruptions, CORRUPTIONS)
        ),
        axis="severity",
        panels=("rd_region",),
    )


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


def _default(spec):
    return spec.presets[spec.default_preset]


def _figures(spec, table, names, pass_name="all"):
    """(pass, weighing) -> figures of a published table that is about IFCNN."""
    if spec.published_as != "IFCNN":
        return {}
    return {
        (pass_name, weighing): dict(zip(table.columns, table.rows[method], strict=True))
        for weighing, method in names.items()
    }


# name -> function (spec of the network, configuration) -> Study.
STUDIES: Mapping[str, Callable[[FusionSpec, object], Study]] = {
    "theory": _theory,
    "form": _form,
    "normalization": _normalization,
    "correlation": _correlation,
    "grid": _grid,
    "noise": _noise,
    "sources": _sources,
    "gradient": _gradient,
    "temperature": _temperature,
    "probes": _probes,
}
