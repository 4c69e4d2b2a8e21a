"""`digan interpolate`."""

from __future__ import annotations

from digan_jax.verbs import restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "interpolate",
        help="draw more frames between those of a video",
        description="Draw frames between those of a video: by a model of the task interpolate (inr), along the optical "
        "flow of OpenCV (flow), or by cross-fading (blend).",
    )
    restoring.add(p, "interpolate", ["inr", "flow", "blend"], fps="frames per second, instead of --factor")
    p.add_argument("--factor", type=float, help="frames for each given one; any number (default 4)")
    p.add_argument(
        "--slow", action="store_true", default=None, help="keep the frame rate, so that the clip lasts longer"
    )
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import interpolate

    restoring.run(a, interpolate, interpolate.InterpolateRequest)
