"""Objectives: what training minimizes. Adding one is a function and `register_objective`.

An objective is a pure function of one sample:

    objective(variables, sample) -> (loss f32[], terms: flat dict of f32[])

    variables   {'params': ..., 'batch_stats': ...} of an unfolded backbone, f32
    sample      'sources'      f32[M, H, W, C] in [0, 1], in the order of their roles, C the
                               network's channels
                'truth'        f32[H, W, C] in [0, 1], for 'ifcnn'
                'visible_rgb'  f32[H, W, 3] in [0, 1], for 'piafusion' with a classifier
                'extent'       i32[2], where the picture is the top left part of the arrays only

`jax.vmap(objective, (None, 0))` takes a batch. Losses look at the network's output in the images'
domain before `finish`: min-max stretching (CDDFuse) would make every pixel depend on the two
extreme ones, and a clip (IFCNN) would leave pixels outside [0, 1] without gradient.

BatchNorm (IFCNN) is frozen: its statistics are those of the variables, its scale and bias train.
From random variables they are mean 0 and variance 1, so that it is an affine layer.
"""

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import jax

from ttd_jax.core import dominability as dom
from ttd_jax.core import fusion as fusion_lib
from ttd_jax.errors import UserError, check_choice
from ttd_jax.networks import Classifier, Model, Network
from ttd_jax.networks.cddfuse import CDDFuse
from ttd_jax.networks.illumination import illumination
from ttd_jax.registry import Registry
from ttd_jax.training import cddfuse, ifcnn, losses, piafusion, unsupervised

FUSIONS = ("static", "ttd")
ILLUMINATIONS = ("classifier", "even")


@dataclasses.dataclass(frozen=True, kw_only=True)
class ObjectiveOptions:
    """What an objective can be told.

    Attributes:
      fusion: what the loss sees: 'static', the network's own fusion, or 'ttd', RD in the loop.
      stop_gradient_at_weights: with 'ttd', take RD's weights as constants; otherwise training
        goes through them end to end.
      weights: term -> weight, in place of some of the objective's own.
      ssim_form: of 'cddfuse_phase1'; see `losses.ssim_loss_map`.
      illumination: of 'piafusion': 'classifier', or 'even' for a visible weight of 0.5.
      classifier: of 'piafusion'; frozen.
      perceive: of 'ifcnn': features of an image f32[H, W, 3], for a perceptual term.
    """

    fusion: str = "static"
    stop_gradient_at_weights: bool = False
    weights: Mapping[str, float] = dataclasses.field(default_factory=dict)
    ssim_form: str = "legacy"
    illumination: str = "classifier"
    classifier: Classifier | None = None
    perceive: Callable[[jax.Array], Any] | None = None

    def __post_init__(self) -> None:
        check_choice("fusion", self.fusion, FUSIONS)
        check_choice("ssim_form", self.ssim_form, losses.SSIM_FORMS)
        check_choice("illumination", self.illumination, ILLUMINATIONS)
        if self.stop_gradient_at_weights and self.fusion != "ttd":
            raise UserError("stop_gradient_at_weights needs fusion='ttd': there are no weights")


_DEFAULT = ObjectiveOptions()


@dataclasses.dataclass(frozen=True, kw_only=True)
class Objective:
    """What is known of one objective.

    Attributes:
      name: its name in configs.
      measure: function `(model, sample, options) -> terms` of one sample. Those of this package
        look at what `model.part` counts alone; others are never given a part.
      weights: function of the options: term -> weight; the loss is their weighted sum.
      needs: function of the options: keys of a sample beside 'sources'.
      frozen: patterns of parameters that it cannot train, for `OptimizerOptions.frozen`.
      networks: classes of modules that it fits; empty for any.
      check: `(options)`: raises `UserError` for options that it does not fit.
      paper: where it comes from.
    """

    name: str
    measure: Callable[..., dict]
    weights: Callable[..., Mapping[str, float]]
    needs: Callable[..., tuple[str, ...]] = lambda options: ()
    frozen: tuple[str, ...] = ()
    networks: tuple[type[Network], ...] = ()
    check: Callable[..., None] = lambda options: None
    paper: str = ""


def make_objective(
    name: str,
    module: Network,
    settings: dom.DominabilitySettings | None,
    options: ObjectiveOptions = _DEFAULT,
) -> Callable:
    """The objective `name` for a network.

    Args:
      name: a key of `OBJECTIVES`.
      module: an unfolded backbone; with `precision='bfloat16'` its layers compute in that, and
        variables, losses and gradients stay float32.
      settings: how losses become weights, for `fusion='ttd'`; None where nothing can be weighed.
      options: see `ObjectiveOptions`.

    Returns:
      `objective(variables, sample) -> (loss, terms)`, see the module.

    Raises:
      UserError: for an unknown objective, a network or options it does not fit, or a weight of a
        term that it does not have.

    Example:
      >>> objective = make_objective("unsupervised", model.module, model.settings)
      >>> loss, terms = objective(model.variables, {"sources": sources})
      >>> sorted(terms)
      ['gradient', 'intensity', 'ssim']
    """
    chosen = OBJECTIVES[name]
    weights = _weights(chosen, options)
    _check_fit(chosen, module, options)

    def objective(variables, sample):
        model = Model(variables=variables, module=module, settings=settings)
        if "extent" in sample:
            model = model.within(sample["extent"])
        terms = chosen.measure(model, sample, options)
        return losses.weigh(terms, weights), terms

    return objective


def needed_keys(name: str, options: ObjectiveOptions = _DEFAULT) -> tuple[str, ...]:
    """Keys that a sample must have for the objective `name`."""
    return ("sources", *OBJECTIVES[name].needs(options))


def fuse_for_training(
    model: Model, sources: jax.Array, options: ObjectiveOptions
) -> tuple[jax.Array, fusion_lib.Decomposition]:
    """The fusion that a loss sees.

    Args:
      model: the network.
      sources: f32[M, H, W, C] in [0, 1].
      options: which fusion.

    Returns:
      `(fused, parts)`: f32[H, W, C] in the images' domain, neither clipped nor stretched, and the
      `Decomposition` it was made from.
    """
    parts = fusion_lib.decompose(model, sources)
    if options.fusion == "static":
        return model.restore(parts.static), parts
    losses = fusion_lib.measure_losses(model, sources, parts, model.settings)
    _, weights = dom.weigh_losses(losses, model.settings)
    if options.stop_gradient_at_weights:
        weights = jax.lax.stop_gradient(weights)
    return model.restore(model.decode(model.merge(parts.features, weights), parts.x)), parts


# The objectives -------------------------------------------------------------------------------


def _cddfuse_phase1(model, sample, options):
    # Each source's residual is the source itself, whatever the network adds when it fuses.
    model = model.replace(module=model.module.clone(residual="first"))
    sources = _two(sample["sources"])
    x = model.prepare(sources)
    features = model.encode(x)
    rebuilt = jax.vmap(lambda feature, own: model.decode(feature, own[None]))(features, x)
    told = {"ssim_form": options.ssim_form, "extent": model.part.extent}
    return cddfuse.phase_one_terms(sources, model.restore(rebuilt), features, **told)


def _cddfuse_phase2(model, sample, options):
    sources = _two(sample["sources"])
    fused, parts = fuse_for_training(model, sources, options)
    return cddfuse.phase_two_terms(fused, sources, parts.features, model.part.extent)


def _piafusion(model, sample, options):
    sources = _two(sample["sources"])
    fused, _ = fuse_for_training(model, sources, options)
    day, extent = 0.5, model.part.extent
    if options.illumination != "even":
        day = illumination(options.classifier, sample["visible_rgb"], extent=extent)
    return piafusion.terms(fused, sources, jax.lax.stop_gradient(day), extent)


def _ifcnn(model, sample, options):
    fused, _ = fuse_for_training(model, sample["sources"], options)
    return ifcnn.terms(fused, sample["truth"], options.perceive, model.part.extent)


def _unsupervised(model, sample, options):
    fused, _ = fuse_for_training(model, sample["sources"], options)
    return unsupervised.terms(fused, sample["sources"], model.part.extent)


OBJECTIVES: Registry[Objective] = Registry("objective")


def register_objective(objective: Objective) -> None:
    """Makes an objective known by its name: `--config.phases[0].objective=NAME`.

    Raises:
      UserError: the name is taken.
    """
    OBJECTIVES.register(objective.name, objective, code=objective.measure)


def _check_phase1(options):
    if options.fusion == "ttd":
        raise UserError("objective 'cddfuse_phase1' rebuilds single sources: use fusion='static'")


def _check_piafusion(options):
    if options.illumination == "classifier" and not options.classifier:
        raise UserError(
            "objective 'piafusion' needs an illumination classifier: give one, or set "
            "illumination='even'"
        )


for _objective in (
    Objective(
        name="cddfuse_phase1",
        measure=_cddfuse_phase1,
        weights=lambda options: cddfuse.PHASE_ONE_WEIGHTS,
        frozen=("base_fusion", "detail_fusion"),
        networks=(CDDFuse,),
        check=_check_phase1,
        paper="Zhao et al., CDDFuse, CVPR 2023, phase I: every source rebuilt",
    ),
    Objective(
        name="cddfuse_phase2",
        measure=_cddfuse_phase2,
        weights=lambda options: cddfuse.PHASE_TWO_WEIGHTS,
        networks=(CDDFuse,),
        paper="Zhao et al., CDDFuse, CVPR 2023, phase II: fusion",
    ),
    Objective(
        name="piafusion",
        measure=_piafusion,
        weights=lambda options: piafusion.WEIGHTS,
        needs=lambda options: ("visible_rgb",) if options.illumination == "classifier" else (),
        check=_check_piafusion,
        paper="Tang et al., PIAFusion, Information Fusion 83-84 (2022) 79-92",
    ),
    Objective(
        name="ifcnn",
        measure=_ifcnn,
        weights=lambda options: (
            ifcnn.WEIGHTS if options.perceive is None else ifcnn.PERCEPTUAL_WEIGHTS
        ),
        needs=lambda options: ("truth",),
        paper="Zhang et al., IFCNN, Information Fusion 54 (2020) 99-118",
    ),
    Objective(
        name="unsupervised",
        measure=_unsupervised,
        weights=lambda options: unsupervised.WEIGHTS,
        paper="intensity, gradient and SSIM against the sources",
    ),
):
    register_objective(_objective)


def _weights(objective, options):
    weights = objective.weights(options)
    for term in options.weights:
        if term not in weights:
            raise UserError(
                f"weights: objective {objective.name!r} has no term {term!r}: its terms are "
                f"{', '.join(weights)}"
            )
    return {**weights, **options.weights}


def _check_fit(objective, module, options):
    if objective.networks and not isinstance(module, objective.networks):
        raise UserError(
            f"objective {objective.name!r} is not for {type(module).__name__}: choose another of "
            f"{', '.join(OBJECTIVES)}"
        )
    if module.folded:
        raise UserError(
            f"objective {objective.name!r}: a folded network cannot be trained: unfold it"
        )
    if options.fusion == "ttd" and not module.separable:
        raise fusion_lib.inseparable(type(module).__name__)
    objective.check(options)


def _two(sources):
    if sources.shape[0] != 2:
        raise ValueError(f"this objective takes two sources, got shape {sources.shape}")
    return sources
