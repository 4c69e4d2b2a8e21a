"""Bits and PSNR of `digan compress` and of x264, x265 and SVT-AV1 (PyAV): the curves of docs/tasks_compress.md.

Command   python scripts/tasks/rate_distortion.py OUT clip.mp4... [--size 64] [--frames 32] [--steps 4000] [--bits 0.05,...]

Writes OUT.json, to which later calls add, and OUT.png, a curve for each codec and clip. A codec's bits are those of its
packets, without a container; .dnv files count whole. PSNR is of RGB, 8 bits.
"""

from __future__ import annotations

import argparse
import io
import itertools
import json
import os
import tempfile
import time
from pathlib import Path

import av
import matplotlib
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


def measure(clip, options, add):
    """Calls add(codec, bits a pixel, PSNR) for each setting of each codec and of `digan compress`."""
    pixels = clip.size / 3
    for codec, choices in CODECS.items():
        for setting in choices if codec in av.codecs_available else []:
            size, quality = coded(codec, setting, clip)
            add(codec, 8 * size / pixels, quality)
    with tempfile.TemporaryDirectory() as folder:
        for i, frame in enumerate(clip):
            Image.fromarray(frame).save(os.path.join(folder, f"{i:04}.png"))
        for bits in map(float, options.bits.split(",")):
            began = time.monotonic()
            request = compress.CompressRequest(folder, os.path.join(folder, "a.dnv"), bits=bits, steps=options.steps)
            report = compress.compress(request)
            print(f"digan {bits:g}: {report}, {time.monotonic() - began:.0f} s", flush=True)
            add("digan", report.bits, report.psnr)


def draw(found, path):
    """A picture of curves, one plot for each clip."""
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(1, len(found), figsize=(4.5 * len(found), 3.6), squeeze=False)
    for axis, (name, curves) in zip(axes[0], found.items()):
        for codec, points in curves.items():
            style = {"color": "black", "linewidth": 2} if codec == "digan" else {"linewidth": 1}
            axis.plot(*zip(*sorted(points)), marker="o", markersize=3, label=codec.removeprefix("lib"), **style)
        axis.set(title=name, xlabel="bits a pixel", ylabel="PSNR of RGB, dB")
        axis.grid(alpha=0.3)
    axes[0][0].legend()
    figure.tight_layout()
    figure.savefig(path, dpi=90)


def main():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("out", type=Path)
    p.add_argument("clips", nargs="+")
    p.add_argument("--size", type=int, default=64)
    p.add_argument("--frames", type=int, default=32)
    p.add_argument("--steps", type=int, default=4000)
    p.add_argument("--bits", default="0.05,0.09,0.15,0.25,0.4")
    a = p.parse_args()
    file = a.out.with_suffix(".json")
    found = json.loads(file.read_text()) if file.exists() else {}
    for path in a.clips:
        clip = np.stack(list(itertools.islice(open_footage(path, a.size).frames, a.frames)))
        print(f"{path}: {len(clip)} frames of {a.size}x{a.size}")
        curves = found.setdefault(f"{Path(path).stem}, {len(clip)} frames of {a.size}x{a.size}", {})

        def add(codec, bits, quality, curves=curves):
            print(f"{codec}: {bits:.4f} bits a pixel, {quality:.2f} dB", flush=True)
            curves.setdefault(codec, []).append([round(bits, 4), round(quality, 2)])
            file.write_text(json.dumps(found, indent=1))

        measure(clip, a, add)
    draw(found, a.out.with_suffix(".png"))


if __name__ == "__main__":
    main()
