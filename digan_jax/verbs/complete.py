"""`digan complete`."""

from __future__ import annotations

from digan_jax.verbs import arguments, restoring


def add(verbs) -> None:
    p = verbs.add_parser(
        "complete",
        help="fill in lost frames and holes of a video",
        description="Fill in lost frames and damaged pixels: by a model of the task complete, linear in time (blend), "
        "or by OpenCV's inpainting of each frame (inpaint).",
    )
    restoring.add(p, "complete", ["model", "blend", "inpaint"])
    p.add_argument(
        "--missing", type=arguments.whole_numbers, metavar="LIST", help="lost frames, from 0, such as 4-7,12"
    )
    p.add_argument("--mask", metavar="FILE", help="a picture of the video's size, white where every frame is damaged")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import complete

    restoring.run(a, complete, complete.CompleteRequest)
