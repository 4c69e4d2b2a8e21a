"""`digan animate`."""

from __future__ import annotations

from digan_jax.host.video_formats import QUALITIES
from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "animate",
        help="let a picture move",
        description="Draw clips that begin with a picture, by a model of the task animate; each id moves it otherwise.",
    )
    p.add_argument("still", nargs="?", help="a picture, or a video whose first frame is taken; its centre square")
    p.add_argument("--run", help="a run or an export that was trained on the task animate")
    p.add_argument("--out", metavar="FILE", help="file to write, or common stem of several: .mp4 .webm .gif .png .npz")
    arguments.add_step(p)
    p.add_argument("--ids", type=arguments.whole_numbers, help="of motions, a clip each, such as 0-3 (default 0)")
    p.add_argument("--seed", type=int, help="with another seed, ids give other motions (default 0)")
    p.add_argument("--frames", type=int, help="of a clip (default 16)")
    p.add_argument("--span", type=float, help="time of the last frame, in clips of the training (default 1)")
    p.add_argument("--fps", type=float, help="frame rate of the file (default 8)")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="size in pixels (default: as trained)")
    p.add_argument("--quality", choices=QUALITIES, help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels")
    arguments.add_work(p)
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import animate

    with arguments.about_flags(arguments.flags_of(animate.AnimateRequest, still="the picture", resume="--continue")):
        request = arguments.request_of(a, animate.AnimateRequest, "animate")
        arguments.finish(a, request, animate.describe, animate.run)
