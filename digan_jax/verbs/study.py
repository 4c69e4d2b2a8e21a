"""`digan study make` and `digan study report`."""

from __future__ import annotations

from digan_jax.host.video_formats import DEFAULT_FPS


def add(verbs) -> None:
    p = verbs.add_parser(
        "study",
        help="run a blinded preference study",
        description="A blinded preference study with human raters: a self-contained web page, and statistics of the "
        "answers that raters save.",
    )
    parts = p.add_subparsers(dest="part", required=True, metavar="make | report")
    m = parts.add_parser("make", help="write the page", description="Write a page with pairs of clips of A and of B.")
    m.add_argument("a", metavar="A", help="a run, a model file or a folder of videos")
    m.add_argument("b", metavar="B", help="another one")
    m.add_argument("--pairs", type=int, default=50, help="number of pairs that a rater sees (default 50)")
    m.add_argument("--question", help="shown above each pair (default: Which clip looks more real?)")
    m.add_argument("--fps", type=float, default=DEFAULT_FPS, help=f"frame rate (default {DEFAULT_FPS:g})")
    m.add_argument("--out", default="study", metavar="FOLDER", help="folder to write (default study)")
    m.set_defaults(run_verb=make)
    r = parts.add_parser(
        "report", help="analyse the answers", description="How often A was preferred, with a 95 %% interval."
    )
    r.add_argument("answers", nargs="+", metavar="ANSWERS.json", help="files that raters saved")
    r.add_argument("--key", metavar="STUDY.json", help="key written by `make`, for the names of A and B")
    r.add_argument("--json", metavar="FILE", help="also write the results to this file")
    r.set_defaults(run_verb=report)


def make(a) -> None:
    from digan_jax.host import files
    from digan_jax.jobs import study_page

    files.check_folder(a.out)
    study_page.make(a.a, a.b, a.pairs, a.out, a.question or study_page.QUESTION, a.fps)
    print(f"send {a.out}/study.html to raters; keep {a.out}/study.json, which says who is A")


def report(a) -> None:
    from digan_jax.evaluation import study
    from digan_jax.host import files

    if a.json:
        files.check_file(a.json)
    found = study.report(a.answers, a.key)
    if a.json:
        files.write_json(a.json, found)
    print(study.text(found))
