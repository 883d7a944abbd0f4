"""Fuses batches: all scenes of a batch in one program where memory allows, else in windows."""

import dataclasses
import functools
import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import chex
import jax
import jax.numpy as jnp
import numpy as np

from ttd_jax.core.color import pillow_gray, resolve_color
from ttd_jax.core.dominability import LOSS_MAPS, DominabilitySettings
from ttd_jax.core.quantization import as_float
from ttd_jax.fusing.programs import compile_kept
from ttd_jax.networks import Model, fuse_pictures
from ttd_jax.networks.illumination import Classifier, illumination
from ttd_jax.parts import (
    SceneOptions,
    WindowFuser,
    check_finite,
    choose_count,
    empty_maps,
    held_bytes,
    map_shapes,
    overhead,
    plan_program,
)
from ttd_jax.parts.maps import plane_means, share_planes
from ttd_jax.parts.part import Part
from ttd_jax.pictures.batches import Batch, fill_up, stack, stack_masks
from ttd_jax.pictures.images import Picture
from ttd_jax.report.progress import progress

# A program of a whole network compiles as so many of a few layers each do.
_WHOLE = 4
_SMALL = 8  # pixels of a side


class BatchFuser:
    """Fuses batches; keeps its compiled programs.

    A batch is one vmap over its scenes, compiled once per shape, if it fits in memory. If not, its
    scenes are fused one after the other, in windows that fit.

    Args:
      model: the network.
      settings: how losses become weights; None for the static fusion.
      color: one of `ttd_jax.fusing.options.FUSE_COLORS`.
      save: which of `ttd_jax.fusing.options.SAVES` are kept.
      memory: bytes that fusing may take: see `ttd_jax.parts.WindowFuser.plan`.

    Attributes:
      memory: as given.
      compile_seconds: spent on compiling and on planning windows, so far.
    """

    def __init__(
        self,
        model: Model,
        settings: DominabilitySettings | None,
        *,
        color: str,
        save: Sequence[str],
        memory: int,
    ):
        self._model, self._settings = model, settings
        self._color, self._save = color, tuple(save)
        self._saving = model.spec.saving if color == "authors" else None
        self.memory = memory
        self._programs = {}
        self._fusers = {}
        self.compile_seconds = 0.0

    def __call__(
        self, batch: Batch, scenes: Mapping[int, tuple[str, Sequence[Picture]]]
    ) -> Iterator[tuple[int, dict[str, Any]]]:
        """Fuses the scenes of a batch that are given.

        Args:
          batch: the batch.
          scenes: slot -> what to call the scene, and its M `Picture`s.

        Yields:
          `(slot, result)`: a dict of numpy arrays, `dominates` and `mean_dominability` [M] and
          whatever the options save: `fused`, `dominability`, `components`, `losses`; and
          `windows`, a dict: their `count` and the `size` (H, W) that each reads. Pictures of a
          scene in several windows are integers of the first source's type already; `fused` is u8
          if it is as the network's authors save it.

        Raises:
          UserError: memory has no room for any strip, or a result is no number.
        """
        if self._saving is None:
            yield from self._fuse(batch, scenes)
            return
        eights = {slot: _as_eights(pictures) for slot, (_, pictures) in scenes.items()}
        given = {
            slot: (name, self._given(eights[slot], pictures))
            for slot, (name, pictures) in scenes.items()
        }
        for slot, result in self._fuse(batch, given):
            if "fused" in result:
                how = self.quantization
                result["fused"] = self._saving.saved(result["fused"], eights[slot], how)
            yield slot, result

    def _fuse(self, batch, scenes):
        start = time.perf_counter()
        program = self._whole(batch)
        self.compile_seconds += time.perf_counter() - start
        if program is None:
            for slot, (name, pictures) in scenes.items():
                yield slot, self._fuse_in_windows(batch, name, pictures)
            return
        results = program(*jax.tree.leaves((self._model, *stack_scenes(batch, scenes))))
        yield from self._each(batch, scenes, results)

    def _each(self, batch, scenes, results):
        """The scenes' own of what the program of a batch gave."""
        results = {name: np.asarray(array) for name, array in results.items()}
        for slot in scenes:
            size = batch.sizes[slot]
            own = {name: _cut(name, array[slot], size) for name, array in results.items()}
            check_finite(self._model, self._settings, own, scene=scenes[slot][0])
            yield slot, own | {"windows": {"count": 1, "size": list(size)}}

    def fit(self, batch: Batch) -> int:
        """How many scenes of a batch fit in memory at once, by their program's plan; or one."""

        def planned(count):
            return self._planned(dataclasses.replace(batch, capacity=count))[1]

        weights = held_bytes(self._model)
        return choose_count(batch.capacity, planned, memory=self.memory, fixed=weights)

    def check(self, batch: Batch, pictures: Sequence[Picture]) -> None:
        """Compiles what a batch needs without fusing it.

        Args:
          batch: the batch.
          pictures: of one of its scenes.

        Raises:
          UserError: memory has no room for any strip.
        """
        if self._whole(batch) is None:
            if self._saving is not None:
                pictures = self._given(_as_eights(pictures), pictures)
            self._plan_windows(batch, pictures)

    @property
    def quantization(self) -> str:
        """How pictures become integers: as the network's authors do where they are compared."""
        return self._model.spec.quantize if self._color in ("network", "authors") else "round"

    def _mode(self, batch):
        if self._saving is not None:
            return self._saving.mode(batch.colored)
        return resolve_color(self._color, batch.colored)

    def _given(self, eights, pictures):
        given = zip(self._saving.given(eights), pictures, strict=True)
        return [Picture(pixels, has_data=picture.has_data) for pixels, picture in given]

    def _whole(self, batch):
        """The program of a whole batch, None if it takes too much memory."""
        return self._planned(batch)[0]

    def _planned(self, batch):
        """That program, and the bytes that it takes, or that it would at least."""
        key = batch.frame, batch.colored, batch.capacity, batch.masked
        if key not in self._programs:
            self._programs[key] = self._compile(batch)
        return self._programs[key]

    def _compile(self, batch):
        shapes = tuple((batch.capacity, *shape) for shape in batch.shapes)
        extents = None
        if batch.frame.shared:
            extents = jax.ShapeDtypeStruct((batch.capacity, 2), jnp.int32)
        pictures = tuple(jax.ShapeDtypeStruct(shape, jnp.float32) for shape in shapes)
        masks = None
        if batch.masked:
            masks = jax.ShapeDtypeStruct((batch.capacity, *batch.mask_shape), jnp.bool_)
        taken = overhead(_WHOLE) if jax.default_backend() == "cpu" else 0
        # A batch whose features alone are too much need not be compiled to be called too large.
        features = self._feature_bytes(shapes)
        if taken + features > self.memory:
            return None, taken + features
        batched, beside, name = self._batched(batch)
        cache = jax.config.jax_compilation_cache_dir
        code = [type(self._model.module)]
        if self._settings is not None:
            code.append(LOSS_MAPS[self._settings.loss].difference)
        arguments = self._model, pictures, extents, masks, *beside
        program, planned = plan_program(
            lambda: compile_kept(batched, arguments, name=name, cache=cache, code=code)
        )
        if jax.default_backend() == "cpu":  # as pictures in integers and floats, these and the next
            taken += 3 * sum(4 * int(np.prod(shape)) for shape in shapes)
        taken += planned
        return (program if taken <= self.memory else None), taken

    def _batched(self, batch):
        """What a batch's program does, what it is given beside the scenes, and its name."""
        mode = self._mode(batch)
        one = functools.partial(fuse_scene, settings=self._settings, mode=mode, save=self._save)
        each = jax.vmap(one, in_axes=(None, 0, 0, 0))
        batched = batch_of_one(one) if batch.capacity == 1 else each
        return batched, (), f"{self._settings} {mode} {self._save}"

    def _feature_bytes(self, shapes):
        # They have as many for every pixel, and a small picture's program is told soonest.
        small = max(self._model.spec.min_size, _SMALL)
        sources = jax.ShapeDtypeStruct(
            (len(shapes), small, small, self._model.spec.channels), jnp.float32
        )
        features = jax.eval_shape(lambda model, x: model.encode(x), self._model, sources)
        a_pixel = sum(leaf.size * 4 for leaf in jax.tree.leaves(features)) / small**2
        return a_pixel * math.prod(shapes[0][:3])

    def _target_type(self, pictures):
        """What windows of pictures are written to; what authors save is of the whole picture."""
        return pictures[0].pixels.dtype if self._saving is None else np.dtype(np.float32)

    def _plan_windows(self, batch, pictures):
        """What fuses a scene in windows, how, and the plan of it."""
        options = self._scene_options(batch)
        if options not in self._fusers:
            model = self._model.saving(options.mode)
            self._fusers[options] = WindowFuser(model, options, jax.local_devices())
        size = pictures[0].size
        fuser, maps = self._fusers[options], map_shapes(options, len(pictures), size)
        beside = _host_bytes(pictures, maps, self._target_type(pictures))
        if batch.masked:
            beside += len(pictures) * math.prod(size)
        if options.smooth:  # the frame before: its losses, RD and luma, and these losses carried on
            beside += (3 * len(pictures) + 1) * 4 * math.prod(size)
        shapes = [(*size, 3 if colored else 1) for colored in batch.colored]
        return fuser, options, fuser.plan(shapes, memory=self.memory, beside=beside)

    def _scene_options(self, batch):
        return SceneOptions(
            settings=self._settings,
            mode=self._mode(batch),
            channels=self._model.spec.channels,
            save=saved_maps(self._save),
            masked=batch.masked,
        )

    def _fuse_in_windows(self, batch, name, pictures, **given):
        start = time.perf_counter()
        fuser, options, plan = self._plan_windows(batch, pictures)
        self.compile_seconds += time.perf_counter() - start
        maps = empty_maps(options, len(pictures), pictures[0].size, self._target_type(pictures))
        arrays = [picture.pixels for picture in pictures]
        masks = stack_masks(pictures, pictures[0].size) if batch.masked else None
        with progress(total=plan.steps, description=name, unit="window", leave=False) as bar:
            how = {"how": self.quantization, "advance": bar.update}
            shares = fuser(arrays, maps, plan, has_data=masks, **given, **how)
        planes = {name: maps[name][..., 0] for name in ("dominability", "losses") if name in maps}
        size = [plan.rows, pictures[0].size[1]]
        return maps | planes | shares | {"windows": {"count": plan.windows, "size": size}}


def stack_scenes(
    batch: Batch, scenes: Mapping[int, tuple[str, Sequence[Picture]]]
) -> tuple[list[np.ndarray], np.ndarray | None, np.ndarray | None]:
    """The arrays that the program of a batch is given of its scenes.

    Args:
      batch: the batch.
      scenes: see `BatchFuser.__call__`.

    Returns:
      `(pictures, extents, masks)`: of each source f32[capacity, H, W, 1 or 3] in [0, 1];
      i32[capacity, 2] and bool[capacity, M, H, W], or None: see `ttd_jax.dynamic_fuse`.
    """
    pixels = {slot: [p.pixels for p in pictures] for slot, (_, pictures) in scenes.items()}
    sources = stack(batch.capacity, pixels, lambda array: fill_up(as_float(array), batch.size))
    masks = None
    if batch.masked:
        each = {slot: stack_masks(given, batch.size) for slot, (_, given) in scenes.items()}
        masks = stack(batch.capacity, each)
    return sources, batch.extents, masks


def _as_eights(pictures):
    """Pictures in 8 bits; gray where they lack data, so that no color of there is put back."""
    eights = []
    for picture in pictures:
        pixels = picture.as_bytes()
        if picture.colored and picture.has_data is not None:
            pixels = np.where(picture.has_data[..., None], pixels, pillow_gray(pixels))
        eights.append(pixels)
    return eights


def batch_of_one(one: Callable) -> Callable:
    """What `jax.vmap` makes of a function for batches of one, without tracing it twice."""

    def batched(model, *scenes):
        result = one(model, *jax.tree.map(lambda leaf: leaf[0], scenes))
        return jax.tree.map(lambda leaf: leaf[None], result)

    return batched


def saved_maps(save: Sequence[str]) -> tuple[str, ...]:
    """The maps that the files of `save` are made of: the overlay shows RD over `fused`."""
    return tuple(dict.fromkeys((*save, *(("fused",) if "dominability" in save else ()))))


def fuse_scene(
    model: Model,
    pictures: Sequence[chex.Array],
    extent: chex.Array | None = None,
    has_data: chex.Array | None = None,
    *,
    settings: DominabilitySettings | None,
    mode: str,
    save: Sequence[str],
    losses: Callable[[chex.Array], chex.Array] | None = None,
) -> dict[str, chex.Array]:
    """One scene: what its record and its files need; see `BatchFuser`, `fuse_pictures`."""
    options = {"losses": losses, "extent": extent, "has_data": has_data}
    fusion = fuse_pictures(model, pictures, settings, mode=mode, **options)
    kept = {
        "fused": fusion.image,
        "dominability": fusion.dominability,
        "components": fusion.components,
        "losses": fusion.losses,
    }
    even = jnp.full(len(pictures), 1.0 / len(pictures))
    shares = {"dominates": even, "mean_dominability": even}
    planes = share_planes(fusion, dynamic=settings is not None, masked=has_data is not None)
    shares |= {name: plane_means(plane, Part(extent)) for name, plane in planes.items()}
    return shares | {name: kept[name] for name in saved_maps(save)}


def _cut(name, array, size):
    """A scene's own part of what its program gave."""
    if array.ndim < 3:  # a share
        return array
    height, width = size
    return array[:height, :width] if name == "fused" else array[:, :height, :width]


def _host_bytes(pictures, shapes, dtype):
    """What a scene takes beside its windows: its pictures and its maps."""
    sources = sum(picture.nbytes for picture in pictures)
    integers = {"fused", "components"}
    return sources + sum(
        int(np.prod(shape)) * (np.dtype(dtype).itemsize if name in integers else 4)
        for name, shape in shapes.items()
    )


def day_probability(classifier: Classifier, visible: Picture) -> float | None:
    """P(day) of a visible picture; None if it is too small for the classifier."""
    if min(visible.size) < classifier.module.min_size:
        return None
    rgb = np.broadcast_to(visible.as_float(), (*visible.size, 3))
    return round(float(_illumination(classifier, rgb)), 6)


_illumination = jax.jit(illumination)
