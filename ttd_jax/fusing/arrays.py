"""What `ttd-jax fuse` does, for arrays in memory."""

import collections
import warnings
from collections.abc import Sequence

import jax
import numpy as np

from ttd_jax.align.alignment import Alignment
from ttd_jax.core.dominability import LOSS_MAPS
from ttd_jax.core.fusion import Fusion
from ttd_jax.errors import UserError, check_list
from ttd_jax.fusing.compute import BatchFuser
from ttd_jax.fusing.options import MAPS, check_network
from ttd_jax.fusing.outputs import of_type
from ttd_jax.networks import FusionSpec, Model
from ttd_jax.parts import default_memory, parse_size
from ttd_jax.pictures.aligning import line_up
from ttd_jax.pictures.arrays import as_pictures, titles_of
from ttd_jax.pictures.batches import Batch, Frame
from ttd_jax.pictures.images import alpha_of_type
from ttd_jax.pictures.sizes import check_least_size

_KEPT = 4  # networks and ways of fusing whose compiled programs are kept
_fusers = collections.OrderedDict()


def fuse(
    model: Model,
    pictures: Sequence[np.ndarray],
    *,
    strategy: str = "ttd",
    color: str = "auto",
    ranges: str = "type",
    align: str = "check",
    max_memory: int | str | None = None,
) -> Fusion:
    """Fuses pictures of one scene, of any size, as `ttd-jax fuse` does with files.

    Programs are compiled once a size and kept while the same model is used.

    Args:
      model: the network; see `ttd_jax.load`, and `FusionSpec.bind`.
      pictures: M arrays in the order of their roles, integers or floats: [H, W] or [H, W, 1]
        (gray), [H, W, 3] (RGB), [H, W, 4] (RGB with alpha).
      strategy: 'ttd' for the model's own settings, 'static', a preset or a loss map.
      color: 'auto' gives color where a picture has any (luma is fused, chroma put back); 'luma',
        'rgb', 'gray', 'network': see `ttd_jax.core.color.fuse_in_color`; 'authors': u8 as the
        script of the network's authors saves it, see `ttd_jax.networks.Saving`.
      ranges: what becomes black and white, for all or for each: 'type' (floats lie in [0, 1]),
        'data', 'percentile:1,99', '20,40.5', or several of these between commas.
      align: 'check' warns of pictures that are shifted against the first; 'off' does not look;
        'translation', 'similarity', 'affine' and 'homography' register them to it, whatever their
        sizes: see `ttd_jax.align`. Each then weighs where it has data.
      max_memory: bytes, or a size such as '2GiB', that fusing may take: what does not fit is fused
        in strips, with the same result up to rounding. Half of what is free by default.

    Returns:
      A `Fusion` of numpy arrays: `image` [H, W, C] and `components` [M, H, W, C] as deep as the
        first picture (u8, u16, or f32 in [0, 1]) and of its size, C one or three, with its alpha
        behind the image if it has one; `dominability` and `losses` f32[M, H, W].

    Raises:
      UserError: pictures of another dtype, shape, range or count than the network takes, an unknown
        name, memory that has no room for any strip, or a result that is no number.

    Example:
      >>> visible, infrared = np.zeros((12, 17, 3), np.uint8), np.full((12, 17), 9, np.uint8)
      >>> fusion = ttd_jax.fuse(model, [visible, infrared])
      >>> fusion.image.shape, fusion.image.dtype, fusion.dominability.shape
      ((12, 17, 1), dtype('uint8'), (2, 12, 17))
    """
    if not isinstance(getattr(model, "spec", None), FusionSpec):
        raise UserError(
            f"{type(model).__name__} is no fusion model with a spec: take ttd_jax.load, or "
            "`spec.bind(variables)` of a FusionSpec"
        )
    check_list("pictures", pictures)
    if len(pictures) < 2:
        raise UserError(f"fusing needs two pictures or more of one scene, got {len(pictures)}")
    alignment = Alignment(align)
    sources = as_pictures(pictures, ranges, one_size=not alignment.moves)
    lined_up = line_up("the scene", titles_of(pictures), sources, alignment)
    for remark in (*(source.remark for source in sources), *lined_up.remarks.values()):
        if remark:
            warnings.warn(remark, stacklevel=2)
    sources = lined_up.pictures
    check_network(model.spec, len(sources), color)
    check_least_size("picture 1", sources[0].size, model.spec.min_size, model.spec.name)
    if isinstance(max_memory, str):
        max_memory = parse_size(max_memory)
    fuser = _fuser(model, model.strategy(strategy), color, max_memory)
    given = [picture.grayed() for picture in sources] if color == "network" else sources
    colored = tuple(picture.colored for picture in given)
    size = sources[0].size
    masked = any(picture.has_data is not None for picture in given)
    batch = Batch((0,), 1, Frame(size, shared=False), colored, (size,), masked)
    ((_, found),) = fuser(batch, {0: ("fusing", given)})
    first, how = given[0], fuser.quantization
    depth = np.dtype(np.uint8) if color == "authors" else first.depth
    image = of_type(found["fused"], depth, how)
    if first.alpha is not None:
        rgb = np.broadcast_to(image, (*first.size, 3))
        image = np.concatenate([rgb, alpha_of_type(first.alpha, image.dtype)], axis=-1)
    return Fusion(
        image=image,
        dominability=found["dominability"],
        components=of_type(found["components"], depth, how),
        losses=found["losses"],
    )


def _fuser(model, settings, color, max_memory):
    # Arrays tell by their identity whether it is the same model: the fuser keeps them alive.
    leaves, structure = jax.tree.flatten(model)
    loss = settings and LOSS_MAPS[settings.loss]  # that may have been registered anew
    key = structure, tuple(map(id, leaves)), settings, loss, color, max_memory
    if key not in _fusers:
        memory = default_memory() if max_memory is None else max_memory
        _fusers[key] = BatchFuser(model, settings, color=color, save=MAPS, memory=memory)
    _fusers.move_to_end(key)
    while len(_fusers) > _KEPT:
        _fusers.popitem(last=False)
    return _fusers[key]
