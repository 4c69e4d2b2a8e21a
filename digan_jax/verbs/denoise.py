"""`digan denoise`."""

from __future__ import annotations

import argparse

from digan_jax.verbs import restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "denoise",
        help="remove the noise of a video",
        description="Remove noise: by a model of the task denoise, by scikit-image's non-local means of each frame "
        "(nlm), or by the mean of five frames (mean).",
    )
    restoring.add(p, "denoise", ["model", "nlm", "mean"])
    p.add_argument(
        "--sigma", type=sigma, help="deviation of the noise, in grey levels of 255; or auto (default): estimated"
    )
    p.set_defaults(run_verb=run)


def sigma(text: str) -> float | str:
    try:
        return text if text == "auto" else float(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no deviation; give a number of grey levels, or auto") from None


def run(a) -> None:
    from digan_jax.jobs import denoise

    restoring.run(a, denoise, denoise.DenoiseRequest)
