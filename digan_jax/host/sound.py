"""The sound of one video file put into another, without encoding it again."""

from __future__ import annotations

import os

import av
from etils import epath

from digan_jax.host.files import moved_in

CODECS = {".mp4": ("aac", "mp3", "ac3", "alac"), ".webm": ("opus", "vorbis")}  # that players expect in the format
APART = 0.5  # seconds that the two may differ in length


def keep(source: epath.PathLike, made: epath.PathLike) -> bool:
    """Adds the sound of `source` to the video `made`. Returns False, and changes nothing, where it cannot.

    There is none; `source` is no file; the format of `made` does not hold such sound; or their lengths differ, as when a
    clip was slowed down.
    """
    source, path = epath.Path(source), epath.Path(made)
    suffix = path.suffix.lower()
    if suffix not in CODECS or "://" in os.fspath(source) or source.is_dir():
        return False
    try:
        with av.open(os.path.abspath(source), metadata_errors="replace") as heard:
            stream = heard.streams.best("audio")
            if stream is None or stream.codec_context.name.removesuffix("float") not in CODECS[suffix]:
                return False
            with av.open(os.path.abspath(path), metadata_errors="replace") as seen:
                if abs(_seconds(seen) - _seconds(heard)) > APART:
                    return False
                with moved_in(path) as unfinished:
                    _joined(seen, heard, stream, unfinished, suffix)
    except av.FFmpegError:
        return False
    return True


def _seconds(container: av.container.InputContainer) -> float:
    video = container.streams.best("video")
    if video.duration and video.time_base:
        return float(video.duration * video.time_base)
    return (container.duration or 0) / av.time_base


def _joined(seen, heard, stream, path: str, suffix: str) -> None:
    """Writes the packets of both into one file, in order of time."""
    options = {"movflags": "+faststart"} if suffix == ".mp4" else {}
    with av.open(os.path.abspath(path), "w", format=suffix[1:], options=options) as container:
        container.metadata.update(
            {key.lower(): value for key, value in seen.metadata.items() if key.lower() == "comment"}
        )
        video = seen.streams.best("video")
        pairs = [
            (video, container.add_stream_from_template(video)),
            (stream, container.add_stream_from_template(stream)),
        ]
        waiting = [
            (packet for packet in of.demux(one) if packet.dts is not None)
            for of, one in zip((seen, heard), (video, stream))
        ]
        ahead = [next(packets, None) for packets in waiting]
        while any(packet is not None for packet in ahead):
            times = [float("inf") if p is None else float(p.dts * p.time_base) for p in ahead]
            i = times.index(min(times))
            packet, ahead[i] = ahead[i], next(waiting[i], None)
            packet.stream = pairs[i][1]
            container.mux(packet)
