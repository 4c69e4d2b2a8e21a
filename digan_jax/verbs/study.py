"""`digan study make` and `digan study report`."""

from __future__ import annotations

from digan_jax.host.video_formats import DEFAULT_FPS


def add(verbs) -> None:
    p = verbs.add_parser(
        "study",
        help="ask people which of two they prefer",
        description="A blinded preference study: a page that works from a file, and what its answers say.",
    )
    parts = p.add_subparsers(dest="part", required=True, metavar="make | report")
    m = parts.add_parser("make", help="write the page", description="Write a page with pairs of clips of A and of B.")
    m.add_argument("a", metavar="A", help="a run, a model file or a folder of videos")
    m.add_argument("b", metavar="B")
    m.add_argument("--pairs", type=int, default=50, help="that a rater sees (default 50)")
    m.add_argument("--question", help="(default: Which clip looks more real?)")
    m.add_argument("--fps", type=float, default=DEFAULT_FPS, help=f"frames a second (default {DEFAULT_FPS:g})")
    m.add_argument("--out", default="study", metavar="FOLDER", help="(default study)")
    m.set_defaults(run_verb=make)
    r = parts.add_parser("report", help="what the answers say", description="Win rate of A with a 95 %% interval.")
    r.add_argument("answers", nargs="+", metavar="ANSWERS.json")
    r.add_argument("--key", metavar="STUDY.json", help="of `make`, for the names of A and B")
    r.add_argument("--json", metavar="FILE", help="write the numbers there too")
    r.set_defaults(run_verb=report)


def make(a) -> None:
    from digan_jax.host import files
    from digan_jax.jobs import study_page

    files.check_folder(a.out)
    study_page.make(a.a, a.b, a.pairs, a.out, a.question or study_page.QUESTION, a.fps)
    print(f"send {a.out}/study.html to raters; {a.out}/study.json says who is A: keep it")


def report(a) -> None:
    from digan_jax.evaluation import study
    from digan_jax.host import files
    from digan_jax.jobs import evaluate

    if a.json:
        files.check_file(a.json)
    found = study.report(a.answers, a.key)
    if a.json:
        evaluate.write(found, a.json)
    print(study.text(found))
