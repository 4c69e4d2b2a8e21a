"""Bits and PSNR of `digan compress` and of x264, x265 and SVT-AV1 (PyAV): the table of docs/tasks_compress.md.

Command   python scripts/tasks/rate_distortion.py clip.mp4 [--size 64] [--frames 32] [--steps 2000] [--bits 0.05,0.1,...]

A codec's bits are those of its packets, without a container; .dnv files count whole. PSNR is of RGB, 8 bits.
"""

from __future__ import annotations

import argparse
import io
import itertools
import os
import tempfile
import time

import av
import numpy as np
from PIL import Image

from digan_jax.host.video_reading import open_footage
from digan_jax.jobs import compress

CODECS = {
    "libx264": [{"crf": str(crf), "preset": "veryslow"} for crf in (42, 36, 30, 24, 18)],
    "libx265": [{"crf": str(crf), "preset": "veryslow", "x265-params": "log-level=none:info=0"} for crf in (42, 36, 30, 24, 18)],
    "libsvtav1": [{"crf": str(crf), "preset": "2"} for crf in (60, 50, 40, 30, 20)],
}


def psnr(a, b):
    return 10 * np.log10(255**2 / np.square(a.astype(float) - b).mean())


def coded(codec, options, clip):
    """(bytes, PSNR) of a clip, encoded as yuv420p and decoded again."""
    file = io.BytesIO()
    with av.open(file, "w", format="matroska") as container:
        stream = container.add_stream(codec, rate=25, options=options)
        stream.height, stream.width, stream.pix_fmt = *clip.shape[1:3], "yuv420p"
        size = 0
        for packet in itertools.chain.from_iterable(
            stream.encode(frame) for frame in (*(av.VideoFrame.from_ndarray(f, format="rgb24") for f in clip), None)
        ):
            size += packet.size
            container.mux(packet)
    file.seek(0)
    with av.open(file) as container:
        drawn = np.stack([frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)])
    return size, psnr(drawn, clip)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("clip")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--frames", type=int, default=32)
    p.add_argument("--steps", type=int, default=2000)
    p.add_argument("--bits", default="0.05,0.1,0.2,0.4,0.8")
    a = p.parse_args()
    clip = np.stack(list(itertools.islice(open_footage(a.clip, a.size).frames, a.frames)))
    pixels = clip.size / 3
    print(f"{a.clip}: {len(clip)} frames of {a.size}x{a.size}")
    for codec, choices in CODECS.items():
        for options in choices if codec in av.codecs_available else []:
            size, quality = coded(codec, options, clip)
            print(f"{codec} crf {options['crf']}: {8 * size / pixels:.4f} bits a pixel, {quality:.2f} dB", flush=True)
    with tempfile.TemporaryDirectory() as folder:
        for i, frame in enumerate(clip):
            Image.fromarray(frame).save(os.path.join(folder, f"{i:04}.png"))
        for bits in map(float, a.bits.split(",")):
            began = time.monotonic()
            request = compress.CompressRequest(folder, os.path.join(folder, "a.dnv"), bits=bits, steps=a.steps)
            print(f"digan {bits:g}: {compress.compress(request)}, {time.monotonic() - began:.0f} s", flush=True)


if __name__ == "__main__":
    main()
