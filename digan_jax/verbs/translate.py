"""`digan translate`."""

from __future__ import annotations

import argparse
import re

from digan_jax.host.video_formats import QUALITIES
from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "translate",
        help="draw a video that follows label maps, drawings or poses",
        description="Draw a video that follows maps, by a model of the task translate or edges.",
    )
    p.add_argument("--run", help="a run or an export that was trained on the task translate or edges")
    p.add_argument("--out", metavar="FILE", help=".mp4 .webm .gif .png (a strip of frames) or .npz")
    arguments.add_step(p)
    _add_maps(p.add_argument_group("maps"))
    _add_styles(p.add_argument_group("looks"))
    p = p.add_argument_group("frames and files")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="size in pixels (default: of the maps)")
    p.add_argument("--fps", type=float, help="frames a second (default: --rate)")
    p.add_argument("--id", type=int, help="of the latents, for what maps and looks leave open (default 0)")
    p.add_argument("--quality", choices=QUALITIES, help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels")
    arguments.add_work(p)
    p.set_defaults(run_verb=run)


def _add_maps(p) -> None:
    p.add_argument("--labels", metavar="DIR", help="PNG files with one number for each pixel, a file for each frame")
    p.add_argument("--edges", metavar="DIR", help="instead: PNG files of drawings, lines on paper")
    p.add_argument("--poses", metavar="PATH", help="instead: a folder of OpenPose, or a file of COCO keypoints")
    p.add_argument("--instances", metavar="DIR", help="PNG files: the object of each pixel (default: its label)")
    p.add_argument("--remap", type=pairs, metavar="A=B,...", help="replace label A by B, such as 21=11")
    p.add_argument("--canvas", type=arguments.size, metavar="WxH", help="of the frames that --poses were found in")
    p.add_argument("--rate", type=float, help="maps a second (default 8)")


def _add_styles(p) -> None:
    p.add_argument("--style-from", metavar="FRAME", help="a picture whose objects look as those of the video shall")
    p.add_argument("--style-labels", metavar="PNG", help="label map of --style-from (default: the first of --labels)")
    p.add_argument("--style-instances", metavar="PNG", help="instances of --style-from (default: as --style-labels)")
    p.add_argument("--style-id", type=int, help="a look drawn from those fitted by digan condition styles (default 0)")


def pairs(text: str) -> tuple[tuple[int, int], ...]:
    """"21=11,3=0" to ((21, 11), (3, 0))."""
    found = [re.fullmatch(r"(\d+)=(\d+)", part.strip()) for part in text.split(",")]
    if not all(found):
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write the label, = and the one in its place: 21=11")
    return tuple((int(one[1]), int(one[2])) for one in found)


def run(a) -> None:
    from digan_jax.jobs import translate

    with arguments.about_flags(arguments.flags_of(translate.TranslateRequest, resume="--continue")):
        request = arguments.request_of(a, translate.TranslateRequest, "translate")
        arguments.finish(a, request, translate.describe, translate.run)
