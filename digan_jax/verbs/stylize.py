"""`digan stylize`."""

from __future__ import annotations

import argparse

from digan_jax.verbs import restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "stylize",
        help="draw a video in a style",
        description="Draw a video in a style, to a degree: by a model of the task stylize, or by the style itself where "
        "it is a known function of a frame (exact).",
    )
    restoring.add(p, "stylize", ["model", "exact"])
    p.add_argument("--style", help="of --method exact: poster, ink, duotone, or a picture whose colours are taken")
    p.add_argument(
        "--degree", type=degree, metavar="D", help="0: the video, 1: the style (default); 0:1 from first to last frame"
    )
    p.add_argument("--preview", action="store_true", default=None, help="the first frame alone")
    p.set_defaults(run_verb=run)


def degree(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(":"))
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no degree; give a number in [0, 1], or two such as 0:1") from None


def run(a) -> None:
    from digan_jax.jobs import stylize

    restoring.run(a, stylize, stylize.StylizeRequest)
