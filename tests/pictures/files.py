"""A picture that shows when it is turned, and files of it as programs write them."""

import io
import struct
import zlib

import numpy as np
import tifffile

H, W = 12, 17
Y, X = np.mgrid[:H, :W]
RGB = np.stack([X * 15, Y * 20, 255 - X * 15], -1).astype(np.uint8)
RGB[2:5, 1:6] = (250, 30, 20)  # something that shows when the picture is turned
GRAY = RGB[..., :1] // 2 + RGB[..., 1:2] // 4
ALPHA = np.where(X < 4, 0, np.where(X < 8, 128, 255)).astype(np.uint8)[..., None]


def deep(array):
    return array.astype(np.uint16) * 257


def tiff(samples, photometric="rgb", **options):
    file = io.BytesIO()
    tifffile.imwrite(file, samples, photometric=photometric, metadata=None, **options)
    return file.getvalue()


def saved(image, kind, **options):
    file = io.BytesIO()
    image.save(file, kind, **options)
    return file.getvalue()


def chunk(kind, content):
    check = zlib.crc32(kind + content)
    return struct.pack(">I", len(content)) + kind + content + struct.pack(">I", check)


def with_chunk(png, kind, content, place=33):
    """The PNG with one more chunk, after its header, or at -12 behind its pixels."""
    return png[:place] + chunk(kind, content) + png[place:]


def exif_of(orientation):
    entry = struct.pack("<HHIHH", 0x0112, 3, 1, orientation, 0)
    return b"II*\0\x08\0\0\0" + struct.pack("<H", 1) + entry + b"\0\0\0\0"


def planes(array):
    return np.moveaxis(array, -1, 0)
