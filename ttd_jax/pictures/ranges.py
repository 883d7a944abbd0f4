"""What values of a file become 0 and 1: thermal counts, degrees and depths use few of a type's."""

import dataclasses

import numpy as np

from ttd_jax.errors import UserError

_NARROW = 0.05  # of the type's range, or of the pixels within a range: less is hardly meant
_FLAG = (
    "--range=data, --range=percentile:1,99 or --range=LOW,HIGH (for each source between commas; "
    "--config.range of evaluate and finetune)"
)
_MEANS = "type, data, percentile:LOW,HIGH or LOW,HIGH"


@dataclasses.dataclass(frozen=True)
class Scale:
    """How stored values became pixels in [0, 1].

    Attributes:
      low: the stored value that became 0.
      high: the one that became 1.
      dtype: name of the stored type.
    """

    low: float
    high: float
    dtype: str

    def invert(self, unit: np.ndarray) -> np.ndarray:
        """Values in [0, 1], of any shape, back as stored ones: integers are rounded."""
        stored = self.low + unit.astype(np.float64) * (self.high - self.low)
        dtype = np.dtype(self.dtype)
        if dtype.kind == "f":
            return stored.astype(np.float32)
        limits, whole = np.iinfo(dtype), np.rint(stored)
        with np.errstate(invalid="ignore"):  # the largest of 64 bits are no floats
            found = np.clip(whole, limits.min, limits.max).astype(dtype)
        return np.where(whole >= float(limits.max), np.array(limits.max, dtype), found)


@dataclasses.dataclass(frozen=True)
class Range:
    """A choice of what becomes 0 and 1.

    Attributes:
      kind: 'type': the range of the stored type; 'data': the picture's own least and largest value;
        'percentile': its percentiles `low` and `high`; 'values': `low` and `high` themselves.
      low: see `kind`.
      high: see `kind`.
    """

    kind: str = "type"
    low: float = 0.0
    high: float = 0.0

    def __str__(self) -> str:
        ends = f"{_exact(self.low)},{_exact(self.high)}"
        return {"percentile": f"percentile:{ends}", "values": ends}.get(self.kind, self.kind)

    def bounds(self, values: np.ndarray) -> tuple[float, float]:
        """The values that become 0 and 1; not for 'type'."""
        if self.kind == "values":
            return self.low, self.high
        if self.kind == "data":
            return float(values.min()), float(values.max())
        low, high = np.percentile(values, (self.low, self.high))
        return float(low), float(high)


def _exact(number):
    return f"{number:g}" if float(f"{number:g}") == number else repr(number)


def parse_ranges(text: str) -> tuple[Range, ...]:
    """What `--range` says: one range for all sources, or one for each of them, between commas.

    Example:
      >>> [str(one) for one in parse_ranges("type,percentile:1,99,-20,45.5")]
      ['type', 'percentile:1,99', '-20,45.5']

    Raises:
      UserError: something else.
    """
    if not isinstance(text, str):
        raise UserError(f"ranges {text!r}: a range is a text: {_MEANS}")
    words, found = [word.strip() for word in text.split(",")], []
    while words:
        word = words.pop(0)
        if word in ("type", "data"):
            found.append(Range(word))
            continue
        kind, _, first = word.rpartition(":")
        try:
            low, high = float(first), float(words.pop(0))
        except (ValueError, IndexError):
            raise UserError(f"range {text!r}: a range is {_MEANS}") from None
        bounded = (low >= 0 and high <= 100) if kind else _is_span(low, high)
        if kind not in ("", "percentile") or not low < high or not bounded:
            raise UserError(f"range {text!r}: a range is {_MEANS}, where LOW is below HIGH")
        found.append(Range(kind or "values", low, high))
    return tuple(found)


def _is_span(low, high):
    """Whether there is something between two ends that a float32 can hold."""
    least, most = map(float, (np.finfo(np.float32).tiny, np.finfo(np.float32).max))
    return bool(np.isfinite([low, high]).all() and least < high - low < most)


def of_sources(ranges: tuple[Range, ...], count: int) -> tuple[Range, ...]:
    """A range for each of `count` sources.

    Raises:
      UserError: neither one range nor as many as there are sources.
    """
    if len(ranges) not in (1, count):
        raise UserError(f"{len(ranges)} ranges for {count} sources: pass one, or one for each")
    return ranges * (count // len(ranges))


def of_result_and_sources(ranges: tuple[Range, ...], count: int) -> tuple[Range, ...]:
    """A range for a result, then one for each of its `count` sources.

    One more than there are sources begins with the result's; else that is of its type.

    Raises:
      UserError: see `of_sources`.
    """
    if count > 0 and len(ranges) == count + 1:
        return ranges
    return Range(), *of_sources(ranges, count)


def to_unit(
    stored: np.ndarray, chosen: Range, name: str, nodata: float | None = None
) -> tuple[np.ndarray, Scale | None, str | None]:
    """Stored values as pixels.

    Args:
      stored: integers, signed or not, or floats, of any shape.
      chosen: what becomes 0 and 1.
      name: of the picture, for messages.
      nodata: the stored value where there are no data, if there is one.

    Returns:
      `(pixels, scale, remark)`. Pixels are u8 or u16 as stored, whose range is their type's, with
      no scale; else f32 in [0, 1]. The remark tells of values that use little of a range that
      nobody chose or lie outside of the chosen one, and of integers where there are no data.

    Raises:
      UserError: values that are no numbers, no data among floats or where the range is measured, or
        a range that cannot be known: of signed integers, and of floats outside of [0, 1].
    """
    kind, dtype, remark = stored.dtype.kind, stored.dtype, None
    if kind == "f" and not np.isfinite(stored).all():
        raise UserError(f"{name}: has values that are no numbers (NaN or Inf): replace them")
    with np.errstate(over="ignore"):  # a half has no number for GDAL's usual one
        missing = nodata is not None and (stored == nodata).any()
    if missing:
        remark = f"{name}: has pixels without data (GDAL_NODATA is {nodata:g})"
        if kind == "f":
            raise UserError(f"{remark}: replace them")
        if chosen.kind in ("data", "percentile"):
            raise UserError(f"{remark}: replace them, or pass --range=LOW,HIGH")
        remark += ": they are taken as that value"
    if chosen.kind == "type":
        if kind == "u" and dtype.itemsize == 1:
            return stored, None, remark
        low, high = float(stored.min()), float(stored.max())
        if kind == "i" or (kind == "f" and not (low >= 0 and high <= 1)):
            raise UserError(
                f"{name}: {dtype} values from {low:g} to {high:g}: say which become black and "
                f"white: {_FLAG}"
            )
        top = 1.0 if kind == "f" else float(np.iinfo(dtype).max)
        if high - low < _NARROW * top:
            remark = (
                f"{name}: values from {low:g} to {high:g} use {(high - low) / top:.1%} of "
                f"0..{top:g}, nearly one gray: {_FLAG} makes use of all"
            )
        if dtype == np.uint16:
            return stored, None, remark
        scale = Scale(0.0, top, dtype.name)
    else:
        scale = Scale(*chosen.bounds(stored), dtype.name)
    if scale.high > scale.low and not _is_span(scale.low, scale.high):
        raise UserError(f"{name}: its values span too much or too little: pass --range=LOW,HIGH")
    span = scale.high - scale.low
    unit = (stored.astype(np.float64) - scale.low) / (span or 1.0)
    inside = ((unit >= 0) & (unit <= 1)).mean()
    if chosen.kind == "values" and inside < _NARROW:
        remark = (
            f"{name}: {inside:.1%} of its values lie in {chosen}, others become black or white: "
            "pass another --range"
        )
    return np.clip(unit, 0, 1).astype(np.float32), scale, remark
