"""Frames to files, by suffix: .mp4 .webm .gif .png (a strip) .npz. Written beside their place and moved in whole."""

from __future__ import annotations

import contextlib
import errno
import itertools
import json
import os
import tempfile
from collections.abc import Iterable, Iterator
from fractions import Fraction

import av
import numpy as np
from av.video.reformatter import ColorPrimaries, ColorRange, Colorspace, ColorTrc
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image, PngImagePlugin

from digan_jax.errors import InputError, full_disk
from digan_jax.shapes import Array

Frame = UInt8[np.ndarray, "h w 3"]


def write_video(path: epath.PathLike, frames, fps: float = 8.0, metadata: dict | None = None) -> None:
    """Writes one clip; an existing file is replaced once the new one is whole.

    Args:
      path: .mp4 (H.264) and .webm (VP9) hold BT.709 video in yuv420p, which browsers play; .gif loops, in 256 colours of
        its own; .png is a strip of the frames from left to right; .npz keeps the numbers as they are ("frames", "fps").
      frames: [t h w 3], or any iterable of [h w 3], which is then read as it is written and never held whole: float
        in [-1, 1], clamped, or uint8 in [0, 255]. Odd sizes get their last row or column twice in .mp4 and .webm.
      fps: frames a second.
      metadata: what the clip is made of, kept as JSON in a comment of the file.

    Raises:
      InputError: an unknown suffix, no frames, frames of another shape, not finite frames, fps not above 0.
    """
    path = epath.Path(path)
    write = _WRITERS[check_suffix(path)]
    if not 0 < fps < float("inf"):
        raise InputError(f"fps={fps}: must be a number above 0.")
    frames = iter(frames)
    first = next(frames, None)
    if first is None:
        raise InputError(f"{path}: there are no frames to write.")
    with moved_in(path) as unfinished:
        write(unfinished, itertools.chain([first], frames), Fraction(fps).limit_denominator(1001), metadata or {})


def check_suffix(path: epath.PathLike) -> str:
    """The suffix of `path` when `write_video` writes such files; lets long work find out before it begins."""
    suffix = epath.Path(path).suffix.lower()
    if suffix not in _WRITERS:
        raise InputError(f"{os.fspath(path)}: cannot write {suffix!r} files; choose one of {list(_WRITERS)}.")
    return suffix


@contextlib.contextmanager
def moved_in(path: epath.PathLike) -> Iterator[str]:
    """Gives a local name to write to; what was written moves to `path` only if the block ends well. An `OSError` of a
    full disk names `path`."""
    path = epath.Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    if "://" in os.fspath(path):  # a bucket: whole objects appear at once
        with tempfile.TemporaryDirectory() as folder:
            local = epath.Path(folder) / path.name
            yield os.fspath(local)
            local.copy(path, overwrite=True)
        return
    unfinished = path.parent / f".{path.stem}.{os.getpid()}{path.suffix}"
    try:
        yield os.fspath(unfinished)
        os.replace(unfinished, path)
    except OSError as error:
        reason = full_disk(error)
        if reason is None:
            raise
        # Libraries name the unfinished file, or none.
        raise OSError(error.errno or errno.ENOSPC, reason, os.fspath(path)) from error
    finally:
        unfinished.unlink(missing_ok=True)


def to_uint8(frames: Float[Array, "*axes"] | UInt8[Array, "*axes"]) -> UInt8[np.ndarray, "*axes"]:
    """[-1, 1] to [0, 255], clamped and rounded; uint8 passes."""
    frames = np.asarray(frames)
    if frames.dtype == np.uint8:
        return frames
    if not np.isfinite(frames).all():
        raise InputError("frames hold NaN or infinity; the weights or the times that made them are not finite.")
    return np.clip(np.rint(frames * 127.5 + 127.5), 0, 255).astype(np.uint8)


def _pictures(frames: Iterable) -> Iterator[Frame]:
    """uint8 frames, each of the shape of the first."""
    shape = None
    for frame in frames:
        picture = to_uint8(frame)
        shape = shape or picture.shape
        if picture.ndim != 3 or picture.shape[-1] != 3 or picture.shape != shape:
            raise InputError(f"a frame of shape {picture.shape}: frames are [h w 3], all of one size.")
        yield picture


def _write_mp4(path, frames, fps, metadata):
    _encode(path, _even(_pictures(frames)), fps, metadata, "libx264", {"crf": "16"}, {"movflags": "+faststart"})


def _write_webm(path, frames, fps, metadata):
    quality = {"crf": "20", "b": "0", "cpu-used": "4", "row-mt": "1"}  # b = 0: constant quality
    _encode(path, _even(_pictures(frames)), fps, metadata, "libvpx-vp9", quality, {})


def _even(pictures: Iterable[Frame]) -> Iterator[Frame]:
    """Repeats the last row or column of odd sizes: yuv420p shares one colour among 2x2 pixels."""
    for picture in pictures:
        h, w, _ = picture.shape
        yield np.pad(picture, ((0, h % 2), (0, w % 2), (0, 0)), mode="edge")


def _encode(path, pictures, fps, metadata, codec, codec_options, container_options):
    with av.open(path, "w", options=container_options) as container:
        container.metadata["comment"] = json.dumps(metadata)
        stream = None
        for i, picture in enumerate(pictures):
            if stream is None:
                stream = container.add_stream(codec, rate=fps, options=codec_options)
                stream.height, stream.width, _ = picture.shape
                stream.pix_fmt = "yuv420p"
                # Without tags players guess BT.601 for small pictures, which shifts reds and greens.
                stream.codec_context.color_range = ColorRange.MPEG
                stream.codec_context.colorspace = Colorspace.ITU709
                stream.codec_context.color_primaries = ColorPrimaries.BT709
                stream.codec_context.color_trc = ColorTrc.BT709
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24").reformat(
                format="yuv420p",
                src_colorspace=Colorspace.ITU709,
                dst_colorspace=Colorspace.ITU709,
                src_color_range=ColorRange.JPEG,
                dst_color_range=ColorRange.MPEG,
            )
            frame.pts = i
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


def _write_gif(path, frames, fps, metadata):
    """One palette for all frames, chosen from their colours, so that still parts do not flicker."""
    pictures = _pictures(frames)
    first = next(pictures)
    height, width, _ = first.shape
    graph = av.filter.Graph()
    source = graph.add_buffer(width=width, height=height, format="rgb24", time_base=1 / fps)
    split, palette = graph.add("split"), graph.add("palettegen")
    dither, sink = graph.add("paletteuse", "dither=sierra2_4a"), graph.add("buffersink")
    source.link_to(split)
    split.link_to(dither, 0, 0)
    split.link_to(palette, 1, 0)
    palette.link_to(dither, 0, 1)
    dither.link_to(sink)
    graph.configure()
    for i, picture in enumerate(itertools.chain([first], pictures)):
        frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
        frame.pts, frame.time_base = i, 1 / fps
        source.push(frame)
    source.push(None)
    with av.open(path, "w") as container:
        container.metadata["comment"] = json.dumps(metadata)
        stream = container.add_stream("gif", rate=fps)
        stream.width, stream.height, stream.pix_fmt = width, height, "pal8"
        with contextlib.suppress(EOFError):  # the end of the frames
            while True:
                container.mux(stream.encode(sink.pull()))
        container.mux(stream.encode(None))


def _write_png(path, frames, fps, metadata):
    text = PngImagePlugin.PngInfo()
    text.add_text("comment", json.dumps(metadata))
    Image.fromarray(np.concatenate(list(_pictures(frames)), axis=1)).save(path, pnginfo=text)


def _write_npz(path, frames, fps, metadata):
    np.savez_compressed(path, frames=np.stack(list(frames)), fps=float(fps), comment=json.dumps(metadata))


_WRITERS = {".mp4": _write_mp4, ".webm": _write_webm, ".gif": _write_gif, ".png": _write_png, ".npz": _write_npz}
