"""`digan compress`."""

from __future__ import annotations

from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "compress",
        help="store a clip as the weights of a small function",
        description="Fit a small function to one clip and store its weights; `digan decompress` draws it at any size.",
    )
    p.add_argument("video", help="a video file, or a folder of images")
    p.add_argument("--out", required=True, metavar="FILE", help=".dnv")
    p.add_argument("--bits", type=float, help="a pixel, about (default 0.2)")
    p.add_argument("--steps", type=int, help="of the fit (default 4000)")
    p.add_argument("--frames", type=int, help="first frames of the video (default: all)")
    p.add_argument("--dry-run", action="store_true", help="show frames, size and weights; fit nothing")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import compress

    with arguments.about_flags(arguments.flags_of(compress.CompressRequest)):
        request = arguments.request_of(a, compress.CompressRequest, "compress")
        arguments.finish(a, request, compress.describe, compress.compress)
