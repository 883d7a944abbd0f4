"""Where the files of a scene go, and what is in them."""

import pathlib
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from ttd_jax.align import Registration
from ttd_jax.core.quantization import quantize
from ttd_jax.errors import UserError
from ttd_jax.fusing.options import FuseOptions
from ttd_jax.pictures.aligning import before_and_after
from ttd_jax.pictures.images import Picture, alpha_of_type, encode_picture
from ttd_jax.pictures.ranges import Scale
from ttd_jax.report.alignment import alignment_sheet
from ttd_jax.report.overlay import dominability_overlay


def output_names(name: str, labels: Sequence[str], options: FuseOptions) -> list[pathlib.PurePath]:
    """Every file of a scene, relative to the output folder."""
    suffix = f".{options.format}"
    numbered = [f"{name}_{i}_{label}" for i, label in enumerate(labels, start=1)]
    names = []
    if "fused" in options.save:
        names.append(name + suffix)
    if "dominability" in options.save:
        names += [f"dominability/{stem}.png" for stem in numbered]
        names.append(f"dominability/{name}_overlay.png")
    if "components" in options.save:
        names += [f"components/{stem}{suffix}" for stem in numbered]
    if "losses" in options.save:
        names += [f"losses/{stem}.tiff" for stem in numbered]
    if "alignment" in options.save:
        reference = options.reading.align.reference(name)
        others = (stem for m, stem in enumerate(numbered) if m != reference)
        names += [f"alignment/{stem}.png" for stem in others]
    return [pathlib.PurePath(n) for n in names]


def output_files(
    name: str,
    labels: Sequence[str],
    options: FuseOptions,
    result: Mapping[str, np.ndarray],
    *,
    pictures: Sequence[Picture],
    found: Sequence[Picture] = (),
    registration: Registration | None = None,
    quantize_how: str,
) -> Iterator[tuple[pathlib.PurePath, bytes]]:
    """The content of every file of `output_names`, in its order.

    Args:
      name: the scene's.
      labels: names of its sources.
      options: the run's.
      result: what `BatchFuser` made of the scene; pictures may be quantized already.
      pictures: the sources: the first gives bit depth, alpha and what files carry.
      found: the sources as they were found, where the options save how they line up.
      registration: how they were brought to line up; None where they are as they were.
      quantize_how: 'round' or 'truncate', for the pictures.

    Yields:
      `(relative path, bytes)`. Pictures have the first source's depth, or the values of a source
      with a range of its own; RD is 16-bit, RD = value / 65535; losses are 32-bit float TIFF.
    """
    suffix = f".{options.format}"
    names = iter(output_names(name, labels, options))
    scale, dtype = output_type(pictures, options)

    def stored(picture):
        if scale is not None:
            return scale.invert(picture)
        return of_type(picture, dtype, quantize_how)

    if "fused" in options.save:
        fused, first = stored(result["fused"]), pictures[0]
        alpha = None if first.alpha is None else alpha_of_type(first.alpha, dtype)
        carried = {"carried": first.carried} if options.metadata == "keep" else {}
        yield next(names), encode_picture(fused, suffix, alpha, **carried)
        del fused  # a generator keeps its variables: of large pictures only what is needed
    if "dominability" in options.save:
        for rd in result["dominability"]:
            yield next(names), encode_picture(quantize(rd[..., None], np.uint16), ".png")
        overlay = dominability_overlay(result["fused"], result["dominability"], labels)
        yield next(names), encode_picture(overlay, ".png")
        del overlay
    if "components" in options.save:
        for component in result["components"]:
            yield next(names), encode_picture(stored(component), suffix)
    if "losses" in options.save:
        for loss in result["losses"]:
            yield next(names), encode_picture(loss[..., None], ".tiff")
    if "alignment" in options.save:
        reference = options.reading.align.reference(name)
        for m in (m for m in range(len(found)) if m != reference):
            shown = before_and_after(found, m, reference, registration)
            names_of = labels[reference], labels[m]
            yield next(names), encode_picture(alignment_sheet(*shown, labels=names_of), ".png")


def output_type(pictures: Sequence[Picture], options: FuseOptions) -> tuple[Scale | None, np.dtype]:
    """How pictures of a scene are saved: the scale of their values, if it is a source's; the type.

    Raises:
      UserError: a PNG cannot hold values of that type, or the network's authors save 8 bits.
    """
    if options.color == "authors":
        if options.output_range != "type":
            raise UserError("color=authors saves 8 bits: pass --output_range=type")
        return None, np.dtype(np.uint8)
    if options.output_range == "source":
        for picture in pictures:
            if picture.scale is not None:
                scale = picture.scale
                dtype = scale.invert(np.zeros(1)).dtype
                if options.format == "png" and dtype not in (np.uint8, np.uint16):
                    raise UserError(
                        f"--output_range=source: a PNG cannot hold {dtype} values: pass "
                        "--format=tiff"
                    )
                return scale, dtype
    depth = pictures[0].depth
    return None, np.dtype(np.uint16) if options.format == "png" and depth.kind == "f" else depth


def of_type(picture: np.ndarray, dtype: np.dtype, how: str) -> np.ndarray:
    """A result as the sources are; it may be so already. See `core.quantization.quantize`."""
    if not np.issubdtype(dtype, np.integer):
        return picture
    return picture if picture.dtype == dtype else quantize(picture, dtype, how=how)
