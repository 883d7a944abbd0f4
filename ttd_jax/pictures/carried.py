"""What a picture's file carries beside its pixels, and how a result's file carries it on."""

import dataclasses
import re
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
XMP_KEY, XMP_TAG = "XML:com.adobe.xmp", 700  # of PNG, of TIFF
_ORIENTATION = 0x0112
_OWN = 0x8769  # where EXIF's own directory is
# Fields of either side, in EXIF and in XMP: they change places when a picture is turned.
_SIDES = ((0x0100, 0x0101), (0x011A, 0x011B), (0xA002, 0xA003))
_XMP_SIDES = (
    (b"tiff:ImageWidth", b"tiff:ImageLength"),
    (b"tiff:XResolution", b"tiff:YResolution"),
    (b"exif:PixelXDimension", b"exif:PixelYDimension"),
)
_XMP_ORIENTATION = re.compile(rb"(tiff:Orientation(?:=[\"']|>))([1-8])")
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
      xmp: XMP, upright.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    dpi: tuple[float, float] | None = None
    text: Mapping[str, str] = dataclasses.field(default_factory=dict)
    geo: tuple[tuple, ...] = ()
    xmp: bytes | None = None

    def __bool__(self) -> bool:
        return bool(self.icc or self.exif or self.dpi or self.text or self.geo or self.xmp)

    def profile(self, channels: int) -> bytes | None:
        """The ICC profile, if it is one for pictures of so many channels."""
        space = {1: b"GRAY", 3: b"RGB "}[channels]
        return self.icc if self.icc and self.icc[16:20] == space else None


def orientation(exif: bytes | None, xmp: bytes | None = None) -> int:
    """How a picture is stored, 1 (upright) to 8, as EXIF 2.32, 4.6.4.A says; else as XMP does."""
    order, fields = _fields(exif)
    place = fields.get(_ORIENTATION)
    value = 1 if place is None else struct.unpack_from(order + "H", exif, place + 8)[0]
    found = _XMP_ORIENTATION.search(xmp or b"")
    if found and not 1 < value <= 8:
        return int(found[2])
    return value if 1 <= value <= 8 else 1


def upright(exif: bytes | None, turned: int) -> bytes | None:
    """The EXIF of a picture of an orientation, once it is turned upright."""
    order, fields = _fields(exif)
    if not fields:
        return exif
    data = bytearray(exif)
    if _ORIENTATION in fields:
        struct.pack_into(order + "H", data, fields[_ORIENTATION] + 8, 1)
    for one, other in _SIDES if turned > 4 else ():
        if one in fields and other in fields:
            one, other = (slice(fields[tag] + 2, fields[tag] + 12) for tag in (one, other))
            data[one], data[other] = data[other], data[one]
    return bytes(data)


def upright_xmp(xmp: bytes | None, turned: int) -> bytes | None:
    """The XMP of a picture of an orientation, once it is turned upright."""
    xmp = _XMP_ORIENTATION.sub(rb"\g<1>1", xmp) if xmp else None
    if xmp and turned > 4:
        other = {b: a for pair in _XMP_SIDES for a, b in (pair, pair[::-1])}
        xmp = re.sub(rb"\b(%s)\b" % b"|".join(other), lambda found: other[found[0]], xmp)
    return xmp


def _fields(exif):
    """Byte order, and tag -> offset of its entry, of the first directory and EXIF's own."""
    order, fields = "<", {}
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        starts = list(struct.unpack_from(order + "I", exif, 4))
        for start in starts:  # which the entry of the other one makes longer
            (count,) = struct.unpack_from(order + "H", exif, start)
            for place in range(start + 2, start + 2 + 12 * count, 12):
                tag, kind, number, value = struct.unpack_from(order + "HHII", exif, place)
                if tag == _OWN and len(starts) == 1:
                    starts.append(value)
                if tag != _ORIENTATION or (kind, number) == (3, 1):
                    fields.setdefault(tag, place)
    except (KeyError, TypeError, struct.error):  # none, or damaged
        pass
    return order, fields


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
    if carried.xmp:
        yield _chunk(b"iTXt", XMP_KEY.encode() + b"\0\0\0\0\0" + carried.xmp)
    if carried.exif:
        yield _chunk(b"eXIf", carried.exif)


def _chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)
