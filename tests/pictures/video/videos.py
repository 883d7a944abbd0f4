"""Small videos as programs write them."""

from fractions import Fraction

import numpy as np

H, W = 32, 48
_UNIT = Fraction(1, 90_000)


def gray_of(number):
    """The level that tells a frame from others, far enough apart for codecs that lose some."""
    return 20 + 7 * number


def number_of(frame):
    """The number of a frame made by `flat`."""
    return round((float(frame.mean()) - 20) / 7)


def flat(number, size=(H, W)):
    return np.full((*size, 3), gray_of(number), np.uint8)


def write(
    path,
    frames=None,
    *,
    times=None,
    rate=25,
    codec="libx264",
    pixel_format="yuv420p",
    options=None,
    container_options=None,
    turn=None,
    sound=None,
    tags=None,
):
    """Writes frames [H, W, 3], or arrays in the pixel format itself, at times in seconds."""
    import av

    frames = [flat(number) for number in range(20)] if frames is None else frames
    times = [number / rate for number in range(len(frames))] if times is None else times
    with av.open(str(path), "w", options=container_options or {}) as container:
        usual = {"bf": "2"} if codec == "libx264" else {}
        stream = container.add_stream(codec, rate=rate, options={**usual, **(options or {})})
        first = frames[0]
        stream.height, stream.width, stream.pix_fmt = *first.shape[:2], pixel_format
        stream.codec_context.time_base = _UNIT
        for name, value in (tags or {}).items():
            setattr(stream.codec_context, name, value)
        if turn is not None:
            stream.set_display_rotation(**turn)
        heard = container.add_stream(sound, rate=48_000, layout="mono") if sound else None
        for array, time in zip(frames, times, strict=True):
            if array.ndim == 3 and array.dtype == np.uint8 and pixel_format != "rgb24":
                frame = av.VideoFrame.from_ndarray(array, format="rgb24")
                frame = frame.reformat(format=pixel_format)
            else:
                frame = av.VideoFrame.from_ndarray(array, format=pixel_format)
            frame.pts, frame.time_base = round(time / _UNIT), _UNIT
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
        if heard is not None:
            container.mux(_tone(heard, times[-1] + 1 / rate))
    return path


def _tone(heard, seconds):
    """Silence in the first half of the time, a tone in the second."""
    import av

    clock = np.arange(round(seconds * 48_000)) / 48_000
    wave = np.sin(2 * np.pi * 440 * clock) * (clock >= seconds / 2)
    fifo = av.AudioFifo()
    frame = av.AudioFrame.from_ndarray(wave.astype(np.float32)[None], "fltp", "mono")
    frame.sample_rate, frame.pts = 48_000, 0
    fifo.write(frame)
    packets = []
    while (piece := fifo.read(1024, partial=True)) is not None:
        packets += heard.encode(piece)
    return packets + heard.encode()
