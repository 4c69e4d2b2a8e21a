"""`digan upscale`."""

from __future__ import annotations

from digan_jax.host.video_formats import QUALITIES
from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "upscale",
        help="enlarge a video in space and time",
        description="Draw a video at a larger size and another frame rate, by a model of the task upscale or by Pillow.",
    )
    p.add_argument("video", help="a video file, or a folder of .png .jpg frames")
    p.add_argument("--out", required=True, metavar="FILE", help=".mp4 .webm .gif .png (a strip of frames) or .npz")
    p.add_argument("--run", help="a run or an export that was trained on the task upscale; for --method model")
    arguments.add_step(p)
    p.add_argument("--method", choices=["model", "bicubic", "lanczos"], help="default model; the others resize frames")
    p.add_argument("--scale", type=float, help="pixels for each pixel, along both axes; any number (default 4)")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="size in pixels, instead of --scale")
    p.add_argument("--fps", type=float, help="frames per second (default: the video's)")
    p.add_argument("--id", type=int, help="of the latents, for details that the video leaves open (default 0)")
    p.add_argument("--quality", choices=QUALITIES, help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels")
    p.add_argument("--dry-run", action="store_true", help="show size, frames and rate; draw nothing")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.host.progress import TerminalProgress
    from digan_jax.jobs import upscale

    with arguments.about_flags(arguments.flags_of(upscale.UpscaleRequest)):
        request = upscale.UpscaleRequest(**arguments.given(a, upscale.UpscaleRequest))
        if a.dry_run:
            return print(upscale.describe(request))
        print(f"{upscale.run(request, TerminalProgress())}: written.")
