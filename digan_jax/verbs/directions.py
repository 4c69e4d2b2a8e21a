"""`digan directions`."""

from __future__ import annotations

from digan_jax.verbs import arguments

EPILOG = """\
The file is a .npz with the arrays content [n w], motion [n m], mean [w], deviation [n], content_share [n] and
motion_share [n]. Beside it lies a contact sheet, a .png: a row for each direction, from -reach to +reach. Then:
  digan render --run RUN --edit 3:+2,m1:-1 --directions FILE --out clip.mp4
"""


def add(verbs) -> None:
    p = verbs.add_parser(
        "directions",
        help="find what can be edited in a model's clips",
        description="Find the directions of content and motion in which a model's clips change most. No labels needed.",
        epilog=EPILOG,
    )
    p.add_argument("--run", required=True, help=arguments.MODELS)
    p.add_argument("--out", required=True, metavar="FILE", help=".npz; a contact sheet, .png, is written beside it")
    arguments.add_step(p)
    p.add_argument("--count", type=int, help="directions of each kind (default 8)")
    p.add_argument("--samples", type=int, help="ids that are looked at; a quarter is drawn (default 4096)")
    p.add_argument("--label", type=arguments.label, help="class name or index of them all (default: random by id)")
    p.add_argument("--seed", type=int, help="root of the noise (default 0)")
    p.add_argument("--id", type=int, help="clip on the contact sheet (default 0)")
    p.add_argument("--reach", type=float, metavar="AMOUNT", help="largest edit on the sheet, in deviations (default 4)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    from digan_jax.jobs import directions

    with arguments.about_flags(arguments.flags_of(directions.DirectionsRequest)):
        request = directions.DirectionsRequest(**arguments.given(a, directions.DirectionsRequest))
        for file in directions.run(request):
            print(f"{file}: written.")
