"""`digan condition make` and `digan condition styles`."""

from __future__ import annotations

from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "condition",
        help="draw maps of own clips, or fit looks, for digan translate",
        description="Draw maps of own clips as folders of PNG files, or fit the looks of a model of the task translate.",
    )
    parts = p.add_subparsers(dest="part", required=True, metavar="make | styles")
    make = parts.add_parser("make", help="draw edges or poses", description="Draw maps as a folder of PNG files.")
    make.add_argument("--out", required=True, metavar="DIR", help="a new folder")
    make.add_argument("--edges", metavar="VIDEO", help="a video, or a folder of images: its edges (Canny)")
    make.add_argument("--poses", metavar="PATH", help="OpenPose files or a file of COCO keypoints: limbs as labels")
    make.add_argument("--bouncing", type=int, metavar="ID", help="a clip of bouncing shapes: frames, labels, instances")
    make.add_argument("--sigma", type=float, help="of the blur before --edges, in pixels (default: by the size)")
    make.add_argument("--canvas", type=arguments.size, metavar="WxH", help="of the frames that --poses were found in")
    make.add_argument("--frames", type=int, help="of --bouncing (default 13)")
    make.add_argument("--size", type=int, help="of --bouncing, in pixels a side (default 64)")
    make.set_defaults(run_verb=run_make)
    styles = parts.add_parser("styles", help="fit looks", description="Fit the looks that --style-id draws from.")
    styles.add_argument("--run", required=True, help="a run of the task translate, beside its data")
    arguments.add_step(styles)
    styles.set_defaults(run_verb=run_styles)


def run_make(a) -> None:
    from digan_jax.jobs import conditions

    with arguments.about_flags(arguments.flags_of(conditions.ConditionRequest)):
        request = arguments.request_of(a, conditions.ConditionRequest, "condition")
        arguments.finish(a, request, None, conditions.make)


def run_styles(a) -> None:
    from digan_jax.jobs import conditions

    print(f"{conditions.fit_styles(a.run, a.step)}: written.")
