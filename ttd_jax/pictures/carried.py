"""What a picture's file carries beside its pixels, and how a result's file carries it on."""

import dataclasses
import struct
import zlib
from collections.abc import Iterator, Mapping

TEXT_TAGS = {  # of TIFF: code -> name, as PNG's text has it
    270: "ImageDescription",
    271: "Make",
    272: "Model",
    306: "DateTime",
    315: "Artist",
    33432: "Copyright",
}
# GeoTIFF's and GDAL's: pixel scale, tie points, transform, keys and what they point at, metadata.
GEO_TAGS = (33550, 33922, 34264, 34735, 34736, 34737, 42112)
_ORIENTATION = 0x0112
_INCH = 0.0254  # meters


@dataclasses.dataclass(frozen=True)
class Carried:
    """What a file says of its picture.

    Attributes:
      icc: ICC profile of its colors.
      exif: EXIF, in the form of a TIFF file, upright.
      dpi: pixels per inch, (horizontal, vertical).
      text: name -> words.
      geo: TIFF tags of GeoTIFF as `(code, type, count, value)`.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = dataclasses.field(default_factory=dict)
    geo: tuple[tuple, ...] = ()

    def __bool__(self) -> bool:
        return bool(self.icc or self.exif or self.dpi or self.text or self.geo)

    def profile(self, channels: int) -> bytes | None:
        """The ICC profile, if it is one for pictures of so many channels."""
        space = {1: b"GRAY", 3: b"RGB "}[channels]
        return self.icc if self.icc and self.icc[16:20] == space else None


def orientation(exif: bytes | None) -> int:
    """How a picture is stored, 1 (upright) to 8, as EXIF 2.32, 4.6.4.A says."""
    found = _orientation_field(exif)
    value = struct.unpack_from(found[0] + "H", exif, found[1])[0] if found else 1
    return value if 1 <= value <= 8 else 1


def upright(exif: bytes | None) -> bytes | None:
    """The same EXIF for a picture that was turned upright."""
    found = _orientation_field(exif)
    if not found:
        return exif
    order, place = found
    return exif[:place] + struct.pack(order + "H", 1) + exif[place + 2 :]


def _orientation_field(exif):
    """(byte order, offset) of the orientation in the first directory, None if there is none."""
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (start,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, start)
        for place in range(start + 2, start + 2 + 12 * count, 12):
            tag, kind, number = struct.unpack_from(order + "HHI", exif, place)
            if (tag, kind, number) == (_ORIENTATION, 3, 1) and place + 10 <= len(exif):
                return order, place + 8
    except (KeyError, TypeError, struct.error):  # none, or damaged
        pass
    return None


def add_to_png(data: bytes, carried: Carried, channels: int) -> bytes:
    """A PNG file with what is carried; the chunks of its pixels stay as they are."""
    head = 33  # signature and IHDR
    return data[:head] + b"".join(_chunks(carried, channels)) + data[head:]


def _chunks(carried, channels) -> Iterator[bytes]:
    profile = carried.profile(channels)
    if profile:
        yield _chunk(b"iCCP", b"ICC profile\0\0" + zlib.compress(profile))
    if carried.dpi:
        meter = (round(dpi / _INCH) for dpi in carried.dpi)
        yield _chunk(b"pHYs", struct.pack(">IIB", *meter, 1))
    for name, words in carried.text.items():
        key = name.encode("latin-1", "replace")[:79].strip() or b"Comment"
        yield _chunk(b"iTXt", key + b"\0\0\0\0\0" + words.encode("utf-8", "replace"))
    if carried.exif:
        yield _chunk(b"eXIf", carried.exif)


def _chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
