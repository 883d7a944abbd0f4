"""How a source must be warped onto a reference: found by their edges, kept only if it holds."""

from collections.abc import Sequence

import numpy as np

from ttd_jax.align.fitting import within_bounds
from ttd_jax.align.gray import check_pictures, to_gray
from ttd_jax.align.matching import Level, likeness, refine, search
from ttd_jax.align.transform import MODELS, Transform, as_matrix, corner_error, resizing
from ttd_jax.errors import UserError, blaming, check_choice

_SIDES = (128, 256, 512)  # the longer sides of the levels, from coarse to fine
_STEPS = (20, 16, 16)
_TURNS = (-6.0, -3.0, 0.0, 3.0, 6.0)  # degrees, between which a refinement finds the rest
_SCALES = (0.88, 0.94, 1.0, 1.06, 1.12)
_VIEWS = tuple(1.07**each for each in range(-10, 11))  # where the angles of view are unknown
_REACH = 0.22  # of the longer side
_CANDIDATES = 6  # of the search, that are refined at the first level
_FINALISTS = 3  # of those, at the second
_APART = 0.03  # of the longer side: from there on two warps are two
_RIVAL = 0.9  # of the best likeness at the second level: another warp this good leaves it open
# The least likeness: the more a warp is free to do, the more it finds by chance.
_LIKENESS = {"translation": 0.25, "similarity": 0.28, "affine": 0.31, "homography": 0.31}
_RETURN = 2.2  # pixels of the last level between what is found from the one picture and the other
_SAME = 0.1  # of a pixel
_VALUES = 1024  # that a picture's are counted by
_GAIN = 4  # no value counts as more often than this times the mean
_LEAST = 24  # pixels of the shorter side


def estimate(
    pictures: Sequence[np.ndarray],
    *,
    model: str = "affine",
    to: int = 0,
    fov: Sequence[float] | None = None,
) -> list[Transform]:
    """How each picture of a scene must be warped to lie on the reference.

    Each is compared with its neighbour, the next nearer to the reference, which is more like it
    in a bracket of exposures or of focus; where that finds nothing, with the reference itself.

    Args:
      pictures: M arrays [H, W] or [H, W, 1 or 3], u8, u16 or f32; each of a size of its own.
      model: one of `MODELS`, the most that a warp may do.
      to: which of them is the reference.
      fov: M horizontal angles of view in degrees; None where they are unknown.

    Returns:
      M transforms; the reference's is the identity. `before` and `after` are the likeness to the
      reference (`matching.likeness`).

    Raises:
      UserError: no such model or reference, or angles that are not M between 0 and 180.
    """
    check_pictures(pictures)
    check_choice("model", model, MODELS)
    if to not in range(len(pictures)):
        raise UserError(f"there is no source {to} to align to: there are {len(pictures)}, from 0")
    if fov is not None:
        with blaming(f"fov {fov}", f"is not {len(pictures)} angles between 0 and 180 degrees"):
            fov = np.asarray(fov, np.float64)
            if fov.shape != (len(pictures),) or not ((fov > 0) & (fov < 180)).all():
                raise ValueError("wrong number or range")
    grays = [to_gray(each) for each in pictures]
    found = {to: Transform()}
    for each in sorted(range(len(grays)), key=lambda index: abs(index - to)):
        if each != to:
            found[each] = _chained(grays, each, to, found, model, fov)
    return [found[each] for each in range(len(grays))]


def _chained(grays, each, to, found, model, fov):
    neighbour = each + (1 if each < to else -1)
    for other in dict.fromkeys((neighbour, to)):
        if other != to and found[other].remark is not None:
            continue
        start = None if fov is None else _same_axis(grays, (each, other), fov)
        result = estimate_pair(grays[other], grays[each], model=model, start=start)
        if result.remark is None:
            break
    if other == to or result.remark is not None:
        return result
    matrix = result.array @ found[other].array
    plain = resizing(grays[each].shape, grays[to].shape)
    before, after = _compared(grays[to], grays[each], plain, matrix)
    return Transform(as_matrix(matrix), model, before, after)


def _same_axis(grays, pair, fov):
    """From the other's pixels to a source's, whose cameras look the same way."""
    focal = [grays[i].shape[1] / 2 / np.tan(np.deg2rad(fov[i]) / 2) for i in pair]
    (y, x), (v, u) = (((h - 1) / 2, (w - 1) / 2) for h, w in (grays[i].shape for i in pair))
    scale = focal[0] / focal[1]
    return np.array([[scale, 0, x - scale * u], [0, scale, y - scale * v], [0, 0, 1]])


def estimate_pair(
    reference: np.ndarray, source: np.ndarray, *, model: str, start: np.ndarray | None = None
) -> Transform:
    """How one picture must be warped onto another.

    Args:
      reference: f32[H, W], of any range.
      source: f32[h, w].
      model: one of `MODELS`.
      start: f64[3, 3], from a pixel of the reference to the source's, about; None for the same
        view, which a source of another size may show more or less of.

    Returns:
      What was found; of model 'none' and with a remark where nothing holds.
    """
    alike = reference.shape == source.shape
    free = start is None and not alike
    first = resizing(source.shape, reference.shape)
    start = first if start is None else start
    reference, source = _stretched(reference), _stretched(source)
    if min(reference.shape + source.shape) < _LEAST:
        return _refused(first, "not aligned: too small")
    level = Level.of(reference, source, _SIDES[0])
    if min(np.ptp(reference), np.ptp(source)) == 0 or len(level.points.index) < 2 * _LEAST:
        return _refused(first, "not aligned: no edges to go by")
    turns, scales = (
        ((0.0,), (1.0,)) if model == "translation" else (_TURNS, _VIEWS if free else _SCALES)
    )
    rough = "translation" if model == "translation" else "similarity"
    candidates = [start, *search(level, start, turns, scales, _REACH)[:_CANDIDATES]]
    finalists = _refined(level, candidates, rough, start, _STEPS[0])[:_FINALISTS]
    level = Level.of(reference, source, _SIDES[1])
    candidates = _refined(level, [each for _, each in finalists], model, start, _STEPS[1])
    level = Level.of(reference, source, _SIDES[2])
    before = likeness(level, first)
    best = _refined(level, [each for _, each in candidates[:1]], model, start, _STEPS[2])
    if not best:
        return _refused(first, "not aligned: no warp holds", before)
    ((_, matrix),) = best
    back = _from_source(level, matrix, start, model)
    if back is None:
        return _refused(first, "not aligned: no warp holds", before)
    apart = corner_error(matrix, back, level.full) * max(level.size) / max(level.full)
    matrix = (matrix + back) / 2  # each has the noise of its own picture's edges
    after = likeness(level, matrix)
    if alike and corner_error(matrix, first, reference.shape) < _SAME:
        return Transform(before=before, after=before)
    bounds = (_VIEWS[-1] * _SCALES[-1],) if free else ()
    rivals = [value for value, _ in candidates[1:]]
    reasons = {
        "what fits best is too far off": not within_bounds(matrix, start, reference.shape, *bounds),
        "no warp beats none": alike and after <= before,
        "too little is alike": after < _LIKENESS[model],
        "other warps fit as well": max(rivals, default=0) > _RIVAL * candidates[0][0],
        "the edges of the one picture say otherwise than the other's": apart > _RETURN,
    }
    for reason, holds in reasons.items():
        if holds:
            return _refused(first, f"not aligned: {reason}", before)
    return Transform(as_matrix(matrix), model, before, after)


def _refined(level, candidates, model, start, steps):
    """(likeness, matrix) of each that leads somewhere of its own, the likeliest first."""
    found = [refine(level, each, model, start=start, steps=steps) for each in candidates]
    found = [(likeness(level, each), each) for each in found if each is not None]
    distinct = []
    for value, matrix in sorted(found, key=lambda each: -each[0]):
        apart = (corner_error(matrix, each, level.full) for _, each in distinct)
        if all(error > _APART * max(level.full) for error in apart):
            distinct.append((value, matrix))
    return distinct


def _from_source(level, matrix, start, model):
    """The same matrix, refined by the edges of the source in place of the reference's."""
    back = Level(level.source, level.reference, level.full_source, level.full)
    found = refine(back, np.linalg.inv(matrix), model, start=np.linalg.inv(start), steps=_STEPS[2])
    if found is None:
        return None
    found = np.linalg.inv(found)
    return found / found[2, 2]


def _refused(matrix, remark, before=None):
    return Transform(as_matrix(matrix), "none", before, before, remark)


def _compared(reference, source, *matrices):
    level = Level.of(_stretched(reference), _stretched(source), _SIDES[-1])
    return [likeness(level, each) for each in matrices]


def _stretched(gray):
    """f32[H, W] in [0, 1]: its histogram equalized, but not far where few values have most pixels.

    What is nearly black in one exposure then has the edges that it has in the other.
    """
    low, high = np.percentile(gray, (0.5, 99.5))
    if not high > low:
        low, high = float(gray.min()), float(gray.max())
    values = np.clip((gray - np.float32(low)) / np.float32(max(high - low, 1e-12)), 0, 1)
    counts, edges = np.histogram(values, _VALUES, (0, 1))
    reached = np.cumsum(np.minimum(counts, _GAIN * values.size / _VALUES))
    return np.interp(values, edges, np.append(0, reached / reached[-1])).astype(np.float32)
