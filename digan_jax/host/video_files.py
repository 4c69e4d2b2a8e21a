"""Writes clips to .mp4, .webm, .gif, .png (a strip of frames) and .npz files, atomically."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import shutil
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from etils import epath
from jaxtyping import Float, Integer, UInt8, UInt16
from PIL import Image, PngImagePlugin

from digan_jax.errors import InputError
from digan_jax.host.files import moved_in, on_disk
from digan_jax.host.frame_rates import check_rate
from digan_jax.host.video_formats import DEFAULT_FPS, ENCODINGS, Encoding, check_quality, check_suffix
from digan_jax.shapes import Array


def write_video(
    path: epath.PathLike, frames, fps: float = DEFAULT_FPS, metadata: dict | None = None, quality: str = "standard"
) -> None:
    """Writes one clip. Replaces an existing file when the new one is complete.

    Args:
      path: the suffix chooses the format. .mp4 (H.264) and .webm (VP9): BT.709 video in yuv420p, which browsers play.
        .gif: loops, with one palette of 256 colours. .png: a strip of the frames from left to right. .npz: the arrays
        "frames", unchanged, and "fps".
      frames: [t h w 3] or an iterable of [h w 3]: float in [-1, 1], clamped, or uint8 in [0, 255]. An iterable is
        encoded frame by frame, except for .png and .npz. .mp4 and .webm repeat the last row or column of odd sizes.
      fps: frames per second, within `frame_rates.RATES` of the suffix. GIF counts hundredths of a second and keeps
        other rates on average.
      metadata: how the clip was made; stored as JSON in a comment of the file. `read_metadata` returns it.
      quality: of .mp4 and .webm. "standard"; "10-bit": four times finer steps, for float frames, .mp4 only; "lossless":
        exact 8-bit pixels in large files, for players such as VLC and mpv, not for browsers.

    Raises:
      InputError: an unknown suffix or quality; an encoder that this PyAV lacks; no frames; a frame that is not [h w 3]
        or differs in shape from the first; NaN or infinity; a frame rate outside the range of the suffix.
    """
    path = epath.Path(path)
    write = _WRITERS[check_suffix(path)]
    check_encoder(path, quality)
    rate = check_rate(check_suffix(path), fps)
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path}: there are no frames to write.")
    with moved_in(path) as unfinished:
        write(unfinished, itertools.chain([first], frames), rate, metadata or {}, quality)


def check_encoder(path: epath.PathLike, quality: str) -> None:
    """Raises `InputError` when the suffix does not support the quality, or PyAV lacks the encoder."""
    encoding = check_quality(path, quality)
    if encoding is None:
        return
    try:
        layouts = av.codec.Codec(encoding.codec, "w").video_formats or ()
    except ValueError:  # PyAV's UnknownCodecError
        layouts = ()
    if encoding.pixels not in [layout.name for layout in layouts]:
        raise InputError(
            f"{os.fspath(path)}: this PyAV has no encoder {encoding.codec} for {encoding.pixels}; install the wheel of "
            "PyPI (pip install --force-reinstall av), or choose another suffix."
        )


def read_metadata(path: epath.PathLike) -> dict:
    """The metadata that `write_video` stored in a file.

    Raises:
      InputError: the file is missing, or this package did not write it.
    """
    path = epath.Path(path)
    if not path.exists():
        raise InputError(f"{os.fspath(path)}: no such file.")
    try:
        with on_disk(path) as local:
            return json.loads(_READERS[check_suffix(path)](local))
    except (KeyError, ValueError, OSError, EOFError, zipfile.BadZipFile) as error:  # FFmpegError is an OSError
        if isinstance(error, InputError):
            raise
        raise InputError(f"{os.fspath(path)}: holds no note of how it was made; was it written by digan?") from error


def _comment_of_video(path: epath.Path) -> str:
    with av.open(os.path.abspath(path), metadata_errors="replace") as container:
        return {key.lower(): value for key, value in container.metadata.items()}["comment"]


def _comment_of_picture(path: epath.Path) -> str | bytes:
    with Image.open(path) as image:
        return image.info["comment"]


def _comment_of_numbers(path: epath.Path) -> str:
    with np.load(path) as file:
        return str(file["comment"])


def to_uint8(frames: Float[Array, "*axes"] | UInt8[Array, "*axes"]) -> UInt8[np.ndarray, "*axes"]:
    """Maps [-1, 1] to [0, 255], clamped and rounded; returns uint8 unchanged. Raises `InputError` for NaN, infinity."""
    frames = np.asarray(frames)
    return frames if frames.dtype == np.uint8 else np.rint(spread(frames, 255)).astype(np.uint8)


def to_uint16(frames: Float[Array, "*axes"] | UInt8[Array, "*axes"]) -> UInt16[np.ndarray, "*axes"]:
    """Maps [-1, 1], or uint8 [0, 255], to [0, 65535], clamped and rounded. Raises `InputError` for NaN, infinity."""
    frames = np.asarray(frames)
    if frames.dtype == np.uint8:
        return frames.astype(np.uint16) * 257
    return np.rint(spread(frames, 65535)).astype(np.uint16)


def spread(frames: Float[np.ndarray, "*axes"], peak: int) -> Float[np.ndarray, "*axes"]:
    """Maps [-1, 1] to [0, peak], clamped, as floats. Raises `InputError` for NaN and infinity."""
    if not np.isfinite(frames).all():
        raise InputError("frames hold NaN or infinity; the weights or the times that made them are not finite.")
    return np.clip(frames * (peak / 2) + peak / 2, 0, peak)


def _pictures(frames: Iterable, to_pixels: Callable = to_uint8) -> Iterator[Integer[np.ndarray, "h w 3"]]:
    """Yields each frame as integers. Raises `InputError` for a frame that differs in shape from the first."""
    shape = None
    for frame in frames:
        picture = to_pixels(frame)
        shape = shape or picture.shape
        if picture.ndim != 3 or picture.shape[-1] != 3 or picture.shape != shape:
            raise InputError(f"a frame of shape {picture.shape}: frames are [h w 3], all of one size.")
        yield picture


def _write_mp4(path, frames, fps, metadata, quality):
    _encode(path, frames, fps, metadata, ENCODINGS[".mp4", quality], {"movflags": "+faststart"})


def _write_webm(path, frames, fps, metadata, quality):
    _encode(path, frames, fps, metadata, ENCODINGS[".webm", quality], {})


def _even(picture: Integer[np.ndarray, "h w 3"]) -> Integer[np.ndarray, "_ _ 3"]:
    """Repeats the last row or column of odd sizes: yuv420p stores one colour for 2x2 pixels."""
    h, w, _ = picture.shape
    return np.pad(picture, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")


def _encode(path, frames, fps, metadata, encoding: Encoding, container_options):
    codec, pixels, options = encoding
    rgb = pixels in ("rgb24", "gbrp")
    source, to_pixels = ("rgb48le", to_uint16) if pixels.endswith("10le") else ("rgb24", to_uint8)
    with _container(path, options=container_options) as container:
        container.metadata["comment"] = json.dumps(metadata)
        stream = None
        for i, picture in enumerate(_pictures(frames, to_pixels)):
            picture = picture if rgb else _even(picture)
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options=options)
                stream.height, stream.width, _ = picture.shape
                stream.pix_fmt = pixels
                if not rgb:
                    _tag_bt709(stream.codec_context)
            frame = av.VideoFrame.from_ndarray(picture, format=source)
            if not rgb:
                frame = frame.reformat(
                    format=pixels,
                    src_colorspace=Colorspace.ITU709,
                    dst_colorspace=Colorspace.ITU709,
                    src_color_range=ColorRange.JPEG,
                    dst_color_range=ColorRange.MPEG,
                    threads=1,  # with more, threads overwrite each other's 10-bit rows (FFmpeg 8)
                )
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _container(path: str, **options) -> av.container.OutputContainer:
    """Opens a file for writing, by absolute path and format, because FFmpeg would interpret ":" and "%d" in names."""
    suffix = os.path.splitext(path)[1].lower()
    return av.open(os.path.abspath(path), "w", format={".mkv": "matroska"}.get(suffix, suffix[1:]), **options)


def _tag_bt709(context) -> None:
    """Tags the stream as BT.709. Without tags, players assume BT.601 for small pictures, which shifts the colours."""
    context.color_range = ColorRange.MPEG
    context.colorspace = Colorspace.ITU709
    context.color_primaries = ColorPrimaries.BT709
    context.color_trc = ColorTrc.BT709


def _write_gif(path, frames, fps, metadata, _):
    """Uses one palette for all frames, so that still parts do not flicker. The palette needs all frames; they are read
    once, into a lossless temporary file."""
    beside, name = os.path.split(os.path.abspath(path))
    with tempfile.TemporaryDirectory(prefix=f"{os.path.splitext(name)[0]}_", dir=beside) as folder:
        waiting, plain = os.path.join(folder, "frames.mkv"), os.path.join(folder, "frames.gif")
        palette = _spool(waiting, _pictures(frames), fps)
        with av.open(waiting) as source, _container(plain) as container:
            height, width = source.streams.video[0].height, source.streams.video[0].width
            stream = container.add_stream("gif", rate=fps)
            stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
            for frame in _in_colours_of(palette, source.decode(video=0), width, height, fps):
                container.mux(stream.encode(frame))
            container.mux(stream.encode(None))
        _copy_with_comment(plain, path, json.dumps(metadata).encode())


def _spool(path: str, pictures: Iterator[UInt8[np.ndarray, "h w 3"]], fps: Fraction) -> av.VideoFrame:
    """Writes the pictures to a lossless video and returns their palette."""
    graph = stream = None
    with _container(path) as container:
        for i, picture in enumerate(pictures):
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = i, 1 / fps
            if graph is None:
                stream = container.add_stream("ffv1", rate=fps)
                stream.height, stream.width, stream.pix_fmt = *picture.shape[:2], "bgr0"
                graph = av.filter.Graph()
                source = _buffer(graph, stream.width, stream.height, "rgb24", fps)
                chosen, sink = graph.add("palettegen"), graph.add("buffersink")
                source.link_to(chosen)
                chosen.link_to(sink)
                graph.configure()
            graph.push(frame)
            with contextlib.suppress(BlockingIOError):  # pulling makes the filter process the frame
                graph.pull()
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    graph.push(None)
    return graph.pull()


def _buffer(graph: av.filter.Graph, width: int, height: int, pixels: str, fps: Fraction):
    return graph.add_buffer(width=width, height=height, format=pixels, time_base=1 / fps)


def _in_colours_of(palette: av.VideoFrame, frames: Iterable[av.VideoFrame], width: int, height: int, fps: Fraction):
    """Yields each frame dithered to the palette."""
    graph = av.filter.Graph()
    source = _buffer(graph, width, height, "rgb24", fps)
    colours = _buffer(graph, palette.width, palette.height, palette.format.name, fps)
    dither, sink = graph.add("paletteuse", "dither=sierra2_4a"), graph.add("buffersink")
    source.link_to(dither, 0, 0)
    colours.link_to(dither, 0, 1)
    dither.link_to(sink)
    graph.configure()
    palette.pts, palette.time_base = 0, 1 / fps
    colours.push(palette)
    colours.push(None)
    for i, frame in enumerate(frames):
        frame = frame.reformat(format="rgb24")
        frame.pts, frame.time_base = i, 1 / fps
        source.push(frame)
        with contextlib.suppress(BlockingIOError):  # the filter needs another frame first
            yield sink.pull()
    source.push(None)
    with contextlib.suppress(EOFError):  # the end of the frames
        while True:
            yield sink.pull()


def _copy_with_comment(plain: str, path: str, comment: bytes) -> None:
    """Copies a GIF and adds a GIF89a comment extension, which FFmpeg does not write.

    The comment, in blocks of at most 255 bytes, follows the header and palette, so readers find it before the frames.
    """
    blocks = b"".join(bytes([len(part)]) + part for part in (comment[i : i + 255] for i in range(0, len(comment), 255)))
    with open(plain, "rb") as source, open(path, "wb") as file:
        header = source.read(13)
        header += source.read(3 << (header[10] & 7) + 1) if header[10] & 0x80 else b""
        file.write(header + b"\x21\xfe" + blocks + b"\0")
        shutil.copyfileobj(source, file)


def _write_png(path, frames, fps, metadata, _):
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", json.dumps(metadata))
    Image.fromarray(np.concatenate(list(_pictures(frames)), axis=1)).save(path, pnginfo=text)


def _write_npz(path, frames, fps, metadata, _):
    np.savez_compressed(path, frames=np.stack(list(frames)), fps=float(fps), comment=json.dumps(metadata))


_READERS = {
    ".mp4": _comment_of_video,
    ".webm": _comment_of_video,
    ".gif": _comment_of_picture,
    ".png": _comment_of_picture,
    ".npz": _comment_of_numbers,
}
_WRITERS = {".mp4": _write_mp4, ".webm": _write_webm, ".gif": _write_gif, ".png": _write_png, ".npz": _write_npz}
