"""PyAV, which brings FFmpeg's libraries: imported when it is needed, its errors told in a line."""

import contextlib
import pathlib
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from ttd_jax.errors import UserError, explain_missing
from ttd_jax.places import on_disk

if TYPE_CHECKING:
    import av

_ANY_CLOCK = ("mpegts", "mpeg")  # containers whose clock starts anywhere, in the middle of a day
_NO_VIDEO = ("tty", "image2")  # texts that FFmpeg draws, and single pictures


def library(what: str) -> Any:
    """The package `av`, which is kept from writing to the terminal.

    Args:
      what: needs it.

    Raises:
      UserError: it is not installed.
    """
    with explain_missing(what, "video"):
        import av
    av.logging.set_level(None)
    return av


@contextlib.contextmanager
def opened(path: pathlib.Path) -> Iterator["av.container.InputContainer"]:
    """A video file, open for reading.

    Raises:
      UserError: missing, unreadable, empty, no video, cut off before what lists its frames, in an
        object store; or PyAV is not installed.
    """
    av = library(f"{path}: a video file")
    if not on_disk(path):
        raise UserError(f"{path}: a video is read from a disk: copy it there")
    try:
        if not path.stat().st_size:
            raise UserError(f"{path}: the file is empty: copy or download it again")
        container = av.open(f"file:{path}")
    except FileNotFoundError as error:
        raise UserError(f"{path}: no such file: check the path") from error
    except av.error.InvalidDataError as error:
        raise UserError(f"{path}: truncated, damaged or no video: copy it again") from error
    except OSError as error:
        raise UserError(f"{path}: cannot be read: {error.strerror or error}") from error
    except av.error.FFmpegError as error:
        raise UserError(f"{path}: cannot be read as a video ({error.strerror})") from error
    with container:
        yield container


def first_video(
    container: "av.container.InputContainer", path: pathlib.Path
) -> tuple["av.VideoStream", int]:
    """The first video stream of a file, and how many it has; covers of songs are none.

    Raises:
      UserError: it has none, or no decoder is known.
    """
    av = library(f"{path}: a video file")
    kind = container.format.name
    cover = av.stream.Disposition.attached_pic
    videos = [one for one in container.streams.video if not one.disposition & cover]
    if kind in _NO_VIDEO or kind.endswith("_pipe"):
        raise UserError(f"{path}: is no video: pass a video, a folder of frames or a TIFF of pages")
    if not videos:
        held = ", ".join(sorted({one.type for one in container.streams})) or "nothing"
        raise UserError(f"{path}: has no video stream, only {held}: pass another file")
    if videos[0].codec_context is None:
        raise UserError(f"{path}: its codec is not known to FFmpeg: convert it to H.264")
    return videos[0], len(videos)


def clock_start(container: "av.container.InputContainer") -> float:
    """The second of a file's clock that counts as its start.

    Time stamps are kept as they are, where the clock does not start anywhere.
    """
    if container.format.name in _ANY_CLOCK and container.start_time is not None:
        return container.start_time / 1e6
    return 0.0
