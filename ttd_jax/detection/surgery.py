"""Another set of classes for a detector that was trained on one already."""

import dataclasses
from collections.abc import Mapping, Sequence

import chex
import jax
import jax.numpy as jnp
from flax import linen as nn
from flax import traverse_util

from ttd_jax.detectors.detector import Detector
from ttd_jax.detectors.yolox import PRIOR, STRIDES


def replace_classes(
    detector: Detector,
    classes: Sequence[str] | Mapping[str, str | None],
    *,
    key: chex.PRNGKey | None = None,
) -> Detector:
    """The same detector with other classes; all but its last class layers stays.

    A class that the detector knows keeps what was learned of it, so that COCO's 'person' alone is
    a detector of people without any training. Others begin as in a new detector.

    Args:
      detector: what to start from.
      classes: the new names, or new name -> name that the detector knows it by, None for what is
        new to it, as in `{"People": "person", "Lamp": None}`.
      key: for what is new; only needed where something is.

    Returns:
      A new `Detector`.

    Raises:
      ValueError: no classes, a name that the detector does not know, or no key for a new one.
    """
    known = detector.settings.classes
    if not isinstance(classes, Mapping):
        classes = {name: name if name in known else None for name in classes}
    unknown = sorted({old for old in classes.values() if old is not None} - set(known))
    if unknown:
        raise ValueError(f"the detector knows no class {', '.join(map(repr, unknown))}")
    new = [name for name, old in classes.items() if old is None]
    if new and key is None:
        raise ValueError(f"pass a key: {', '.join(map(repr, new))} must be learned anew")
    settings = dataclasses.replace(detector.settings, classes=tuple(classes))
    flat = dict(traverse_util.flatten_dict(detector.variables, sep="/"))
    for level in range(len(STRIDES)):
        path = f"params/heads_{level}/class"
        kernels, biases = flat[f"{path}/kernel"], flat[f"{path}/bias"]
        columns = []
        for index, old in enumerate(classes.values()):
            if old is None:
                one = jax.random.fold_in(key, level * len(classes) + index)
                start = nn.initializers.lecun_normal()(one, (len(kernels), 1), kernels.dtype)
                columns.append((start[:, 0], jnp.asarray(PRIOR, biases.dtype)))
            else:
                columns.append((kernels[:, known.index(old)], biases[known.index(old)]))
        flat[f"{path}/kernel"] = jnp.stack([column for column, _ in columns], axis=-1)
        flat[f"{path}/bias"] = jnp.stack([bias for _, bias in columns])
    return detector.replace(
        variables=traverse_util.unflatten_dict(flat, sep="/"),
        module=detector.module.clone(num_classes=len(classes)),
        settings=settings,
    )
