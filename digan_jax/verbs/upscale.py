"""`digan upscale`."""

from __future__ import annotations

from digan_jax.verbs import restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "upscale",
        help="enlarge a video in space and time",
        description="Draw a video at a larger size and another frame rate, by a model of the task upscale or by Pillow.",
    )
    restoring.add(p, "upscale", ["model", "bicubic", "lanczos"], size="size in pixels, instead of --scale")
    p.add_argument("--scale", type=float, help="pixels for each pixel, along both axes; any number (default 4)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import upscale

    restoring.run(a, upscale, upscale.UpscaleRequest)
