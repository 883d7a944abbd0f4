"""Frames of a stream by their numbers, one after the other, so that memory stays bounded."""

from collections.abc import Iterable, Iterator

import numpy as np

from ttd_jax.errors import UserError
from ttd_jax.pictures.images import decode_raster, read_bytes, saved_depth
from ttd_jax.pictures.video import pixels
from ttd_jax.pictures.video.packets import decode
from ttd_jax.pictures.video.pages import opened_pages
from ttd_jax.pictures.video.streams import Stream

_FAR = 64  # frames: nearer ones are decoded and dropped sooner than sought


def read_frames(stream: Stream, indices: Iterable[int]) -> Iterator[np.ndarray]:
    """The stored values of frames, upright.

    Each is decoded once, however often it is asked for in a row, and two at most are held. A video
    is decoded from the last key frame before what is asked for.

    Args:
      stream: of frames.
      indices: their numbers from 0, each no less than the one before.

    Returns:
      Arrays [H, W, C] of the stream's size and channels: u8, u16, or as the pictures of a folder
      and pages are stored; gray pictures among RGB ones have three equal channels. They are not to
      be written to.

    Raises:
      UserError: a video is damaged there, or a picture is; one has another size or depth than the
        first, or color where that has none.
      ValueError: the numbers descend, or there is no such frame.
    """
    indices = np.fromiter(indices, np.int64)
    if indices.size and (indices[0] < 0 or indices.max() >= stream.count):
        raise ValueError(f"{stream.name}: frames are 0 to {stream.count - 1}")
    if (np.diff(indices) < 0).any():
        raise ValueError("frames are read in their order")
    frames = _READERS[stream.kind](stream, np.unique(indices))
    at, array = -1, None
    for index in indices:
        if index != at:
            at, array = index, _like_first(stream, stream.frame_name(index), next(frames))
            array.flags.writeable = False
        yield array


def _read_video(stream, wanted):
    frames, at = None, -1
    for index in wanted:
        key = _key_before(stream.packets, index)
        if frames is None or (key is not None and key[0] > at + _FAR):
            if frames is not None:
                frames.close()
            frames = _numbered(stream, index, key)
        at, frame = next((one for one in frames if one[0] >= index), (None, None))
        if at != index:
            raise UserError(
                f"{stream.frame_name(index)}: is damaged: end before it with --until, or repair it "
                "(ffmpeg -i IN OUT)"
            )
        yield pixels.to_array(frame, stream.turn)


def _key_before(packets, index):
    """`(number, stamp)` of the last key frame from which a frame can be reached."""
    if packets.marks is None or not packets.keys.size:
        return None
    place = np.searchsorted(packets.keys, packets.marks[index], "right") - 1
    stamp = packets.keys[max(place, 0)]
    return int(np.searchsorted(packets.marks, stamp)), int(stamp)


def _numbered(stream, index, key):
    """`(number, frame)` from a key frame on, or from the first frame where that is near."""
    packets = stream.packets
    if packets.marks is None:
        yield from enumerate(decode(stream.path, packets))
        return
    start = key[1] if key is not None and key[0] > _FAR else None
    passed = False
    for frame in decode(stream.path, packets, start):
        at = int(np.searchsorted(packets.marks, frame.pts)) if frame.pts is not None else -1
        if not 0 <= at < packets.count or packets.marks[at] != frame.pts:
            continue  # one that is not shown
        if start is not None and not passed and at > index:  # some files are sought past it
            yield from _numbered(stream, index, None)
            return
        passed = True
        yield at, frame


def _read_files(stream, wanted):
    for index in wanted:
        file = stream.files[index]
        yield decode_raster(read_bytes(file), file).bands


def _read_pages(stream, wanted):
    with opened_pages(stream.path) as (_, read):
        for index in wanted:
            yield read(index)


_READERS = {"video": _read_video, "frames": _read_files, "pages": _read_pages}


def _like_first(stream, place, array):
    """A frame of the stream's channels; refuses one that is unlike the others."""
    height, width, channels = array.shape
    if (height, width) != stream.size:
        own, first = f"{width}x{height}", f"{stream.size[1]}x{stream.size[0]}"
        raise UserError(f"{place}: is {own} but the first frame {first}: give all one size")
    if saved_depth(array.dtype) != stream.depth:
        raise UserError(
            f"{place}: has {array.dtype} values but the first frame {stream.depth}: "
            "give all one depth"
        )
    if channels == stream.channels:
        return array
    if stream.channels == 1 and not (array == array[..., :1]).all():
        raise UserError(f"{place}: has color but the first frame is gray: save all as RGB")
    return array[..., :1] if stream.channels == 1 else np.repeat(array, 3, axis=2)
