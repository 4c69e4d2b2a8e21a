"""`digan invert`."""

from __future__ import annotations

from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "invert",
        help="find the latents of a clip, to slow it down, continue it or edit it",
        description="Find the latents that draw a clip, by optimisation; `digan render --latents` draws them.",
    )
    p.add_argument("video", help="a video file, or a folder of images; its first frames, its centre square")
    p.add_argument("--run", required=True, help="a run, an export, hf://user/name, or network-snapshot.pkl")
    p.add_argument("--out", required=True, metavar="FILE", help=".npz")
    arguments.add_step(p)
    p.add_argument("--frames", type=int, help="first frames of the video to use (default: a clip of the training)")
    p.add_argument("--steps", type=int, help="of the optimisation (default 300)")
    p.add_argument("--perceptual", type=float, help="weight of ST-LPIPS (extra [eval]); 0: without (default 0.5)")
    p.add_argument("--dry-run", action="store_true", help="show frames and size; compute nothing")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import invert

    with arguments.about_flags(arguments.flags_of(invert.InvertRequest)):
        request = arguments.request_of(a, invert.InvertRequest, "invert")
        arguments.finish(a, request, invert.describe, invert.run)
