"""`digan decompress`."""

from __future__ import annotations

from digan_jax.host.video_formats import QUALITIES
from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "decompress",
        help="draw a clip of digan compress",
        description="Draw a clip of `digan compress`, at any size and rate.",
    )
    p.add_argument("file", nargs="?", help="a .dnv file")
    p.add_argument("--out", metavar="FILE", help=".mp4 .webm .gif .png (a strip of frames) or .npz")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="size in pixels (default: as it was)")
    p.add_argument("--fps", type=float, help="frames a second (default: as it was)")
    p.add_argument("--quality", choices=QUALITIES, help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels")
    arguments.add_work(p)
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import compress

    with arguments.about_flags(arguments.flags_of(compress.DecompressRequest, file="a .dnv file", resume="--continue")):
        request = arguments.request_of(a, compress.DecompressRequest, "decompress")
        arguments.finish(a, request, compress.describe_drawing, compress.decompress)
