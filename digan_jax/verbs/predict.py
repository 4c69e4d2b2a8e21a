"""`digan predict`."""

from __future__ import annotations

from digan_jax.verbs import arguments, restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "predict",
        help="continue a video",
        description="Draw what may come after a video, by a model of the task predict; or repeat its last frame (last).",
    )
    restoring.add(p, "predict", ["model", "last"])
    p.add_argument("--frames", type=arguments.whole_number_above_0, help="to come, at the video's rate (default 16)")
    p.add_argument(
        "--futures", type=arguments.whole_number_above_0, help="how many, each a file of its own (default 1)"
    )
    p.add_argument("--no-past", action="store_false", dest="past", default=None, help="leave out the given video")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import predict

    restoring.run(a, predict, predict.PredictRequest)
