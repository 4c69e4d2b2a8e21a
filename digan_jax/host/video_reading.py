"""Decodes video files (PyAV) and folders of images to frames as a viewer shows them.

FFmpeg, Pillow and PyAV raise errors of many types; all become `UnusableVideo` with the reason.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from typing import NamedTuple

import av
import numpy as np
from av.video.reformatter import VideoReformatter
from etils import epath

from digan_jax.host import still_pictures
from digan_jax.host.bilinear import bilinear
from digan_jax.host.showing import FrameOf, UnusableVideo, View, check_pixels, on_black, shown
from digan_jax.host.still_pictures import reason_of

VIDEO_SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".mov", ".gif")
_ALPHA_DECODERS = {"vp8": "libvpx", "vp9": "libvpx-vp9"}  # FFmpeg's own decoders ignore the alpha of WebM


class Footage(NamedTuple):
    """A video being decoded.

    Attributes:
      fps: frames per second; 0: unknown.
      frames: iterator of uint8 [h w 3], evenly spaced in time.
      remarks: conversions that were needed, such as deinterlacing; complete when all frames are read.
    """

    fps: float
    frames: Iterator[FrameOf]
    remarks: list[str]


class Timing(NamedTuple):
    """How decoded frames become evenly spaced ones.

    Attributes:
      fps: frames per second of the output.
      repeats: how often each decoded frame is output; None: once each.
      remark: what is uneven; "": nothing.
    """

    fps: float
    repeats: list[int] | None = None
    remark: str = ""


def open_footage(path: str, size: int | None, threads: int = 1) -> Footage:
    """Opens a video file, or a folder of images, whose frames are in natural order of their names.

    Frames are turned, stretched to square pixels, composed over black and deinterlaced. Frames of uneven durations are
    repeated or dropped to an even rate.

    Args:
      path: of the file or folder.
      size: pixels a side of the square frames; None: as a viewer shows them.
      threads: for decoding.

    Raises:
      UnusableVideo: at once or while iterating. Discard the frames read until then.
    """
    place, remarks = epath.Path(path), []
    with _read_errors("cannot be opened"):
        if place.is_dir():
            return Footage(0.0, still_pictures.frames_of(place, size, remarks), remarks)
        if still_pictures.check_regular(place) == 0:
            raise UnusableVideo("empty file")
        timing = _timing(path, threads)
    remarks += [timing.remark] if timing.remark else []
    return Footage(timing.fps, _frames(path, size, threads, timing, remarks), remarks)


def read_still(path: str) -> FrameOf:
    """A picture, or the first frame of a video or a folder of images, at its own size. Raises `UnusableVideo`."""
    place = epath.Path(path).expanduser()
    if place.suffix.lower() in still_pictures.IMAGE_SUFFIXES and not place.is_dir():
        with _read_errors("cannot be opened"):
            return next(still_pictures.frames_of_files([place], None, []))
    for frame in open_footage(str(place), None).frames:
        return frame
    raise UnusableVideo("holds no frames")


@contextlib.contextmanager
def _read_errors(what: str) -> Iterator[None]:
    try:
        yield
    except UnusableVideo:
        raise
    except Exception as error:
        raise UnusableVideo(f"{what}: {reason_of(error)}") from error


def _opened(path: str) -> av.container.InputContainer:
    """Opens a file for reading. An absolute path, because FFmpeg would interpret ":" in a name as a protocol."""
    file = epath.Path(path).open("rb") if "://" in path else os.path.abspath(path)
    return av.open(file, metadata_errors="replace")


def _stream_of(container: av.container.InputContainer, threads: int) -> av.VideoStream:
    stream = container.streams.best("video")  # not the cover picture
    if stream is None:
        raise UnusableVideo("holds no video stream")
    context = stream.codec_context
    if context is None:
        raise UnusableVideo("there is no decoder for its video; make an .mp4 of it")
    check_pixels(context.width, context.height, "a frame")
    stream.thread_type = "AUTO" if threads > 1 else "SLICE"
    context.thread_count = threads
    return stream


def _decoded(container: av.container.InputContainer, stream: av.VideoStream) -> Iterator[av.VideoFrame]:
    name = _ALPHA_DECODERS.get(stream.codec_context.name)
    if name is None or stream.metadata.get("alpha_mode") != "1":
        yield from container.decode(stream)
        return
    decoder = av.CodecContext.create(name, "r")
    for packet in container.demux(stream):
        yield from decoder.decode(packet if packet.size else None)


def _frames(path: str, size: int | None, threads: int, timing: Timing, remarks: list[str]) -> Iterator[np.ndarray]:
    number, first = 0, None
    to_rgb = VideoReformatter()  # reused: its setup costs more than a conversion
    try:
        with _opened(path) as container:
            stream = _stream_of(container, threads)
            for frame in _progressive(_decoded(container, stream), stream, remarks):
                if frame.is_corrupt:
                    raise UnusableVideo("damaged data")
                repeats = timing.repeats[number] if timing.repeats and number < len(timing.repeats) else 1
                if repeats:
                    picture = shown(_rgb(frame, to_rgb, remarks), size, _view(frame, stream))
                    first = picture.shape if first is None else first
                    if picture.shape != first:  # size changes within the video: players keep the first size
                        picture = bilinear(picture, *first[:2])
                for _ in range(repeats):
                    yield picture
                number += 1
    except Exception as error:
        raise UnusableVideo(f"breaks at frame {number}: {reason_of(error)}") from error


def _view(frame: av.VideoFrame, stream: av.VideoStream) -> View:
    aspect = float(stream.sample_aspect_ratio or 1)
    matrix = frame.side_data.get("DISPLAYMATRIX")
    return View(aspect=aspect) if matrix is None else View.of_matrix(np.frombuffer(matrix, np.int32).tolist(), aspect)


def _rgb(frame: av.VideoFrame, to_rgb: VideoReformatter, remarks: list[str]) -> FrameOf:
    check_pixels(frame.width, frame.height, "a frame")
    if not (frame.format.has_palette or any(component.is_alpha for component in frame.format.components)):
        return to_rgb.reformat(frame, format="rgb24", threads=1).to_ndarray()
    pixels = to_rgb.reformat(frame, format="rgba", threads=1).to_ndarray()
    if pixels[..., 3].min() == 255:
        return np.ascontiguousarray(pixels[..., :3])
    if (remark := "transparent: shown on black") not in remarks:
        remarks.append(remark)
    return on_black(pixels)


# ---- interlaced ----


def _progressive(
    frames: Iterator[av.VideoFrame], stream: av.VideoStream, remarks: list[str]
) -> Iterator[av.VideoFrame]:
    """Deinterlaces interlaced frames; the others pass unchanged. Yields as many frames as it gets."""
    graph = None
    for frame in frames:
        if graph is None and frame.interlaced_frame:
            graph = _deinterlacer(frame, stream)
            remarks.append("interlaced: deinterlaced (bwdif)")
        if graph is None:
            yield frame
            continue
        graph.push(frame)
        yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _deinterlacer(frame: av.VideoFrame, stream: av.VideoStream) -> av.filter.Graph:
    graph = av.filter.Graph()
    source = graph.add_buffer(
        width=frame.width, height=frame.height, format=frame.format.name, time_base=stream.time_base
    )
    field, sink = graph.add("bwdif", "mode=send_frame:deint=interlaced"), graph.add("buffersink")
    source.link_to(field)
    field.link_to(sink)
    graph.configure()
    return graph


def _pulled(graph: av.filter.Graph) -> Iterator[av.VideoFrame]:
    with contextlib.suppress(BlockingIOError, EOFError):  # the filter needs another frame, or has ended
        while True:
            yield graph.pull()


# ---- times ----


def _timing(path: str, threads: int) -> Timing:
    """Derives the timing from the packets if they fit an even rate, else from the decoded frames.

    Decoding is slower, but some packets hold no visible frame.
    """
    with _opened(path) as container:
        stream = _stream_of(container, threads)
        stated, tick = float(stream.average_rate or 0), float(stream.time_base or 0)
        packets = [(p.pts, p.duration) for p in container.demux(stream) if p.size]
    if _evenly(packets, stated, tick):
        return Timing(stated)
    frames = []
    with contextlib.suppress(Exception), _opened(path) as container:  # `_frames` reports broken data
        stream = _stream_of(container, threads)
        frames = [(frame.pts, frame.duration) for frame in _decoded(container, stream)]
    return _evenly(frames, 0, tick) or _uneven(frames, stated, tick)


def _evenly(shows: list[tuple[int | None, int | None]], stated: float, tick: float) -> Timing | None:
    """The timing of evenly spaced frames; None if the times do not fit the stated rate. Unknown times always fit.

    Args:
      shows: (time, duration) of each frame or packet, in ticks.
      stated: frames per second that the file states; 0: any even rate fits.
      tick: seconds of a tick.
    """
    if len(shows) < 2 or any(time is None for time, _ in shows) or not tick:
        return Timing(stated)
    shows = sorted(shows) if stated else shows  # packets are in decoding order
    times = np.array([time - shows[0][0] for time, _ in shows]) * tick
    if times[-1] <= 0:
        return None
    rate = (len(times) - 1) / times[-1]
    off = np.abs(times * rate - np.arange(len(times))).max()
    last = (shows[-1][1] or 0) * tick * rate
    near = max(0.3, tick * rate)  # in frames: the error of rounding to ticks
    agrees = not stated or abs(stated / rate - 1) < 0.05
    return Timing(stated or rate) if off <= near and last <= 1.5 + near and agrees else None


def _uneven(shows: list[tuple[int, int | None]], stated: float, tick: float) -> Timing:
    """Resamples unevenly spaced frames to the stated rate, or to their average rate where the two differ twofold.

    The stated rate is an average of the file; edits may have made it wrong.
    """
    times = np.array([time - shows[0][0] for time, _ in shows]) * tick
    apart = np.diff(times)
    if apart.min() < 0 or times[-1] <= 0:
        return Timing(0.0, None, "times of its frames run backwards or stand still: taken as evenly spaced")
    last = (shows[-1][1] or 0) * tick or float(np.median(apart))
    average = len(times) / (times[-1] + last)
    rate = stated if average / 2 <= stated <= average * 2 else average
    early = min(0.5, tick * rate)  # in frames: the error of rounding to ticks
    total = max(1, round((times[-1] + last) * rate))
    starts = np.append(np.ceil(times * rate - early), total).clip(0, total).astype(int)
    spread = f"{min(*apart, last):.3g} to {max(*apart, last):.3g} s"
    return Timing(rate, np.diff(starts).tolist(), f"frames are shown for {spread}: resampled to {rate:.4g} a second")
