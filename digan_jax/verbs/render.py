"""`digan render`."""

from __future__ import annotations

import shlex

from digan_jax.errors import InputError
from digan_jax.host.video_formats import QUALITIES
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.verbs import arguments

FLAGS = arguments.flags_of(RenderRequest, sheet="--grid", span="--times", resume="--continue")

EPILOG = """\
Without --grid and --cross several clips become one file each, named by id: --out clips.mp4 --ids 3,4 writes
clips_0003.mp4 and clips_0004.mp4 (and clips_0003_m0007.mp4 with --motion-ids 7, clips_0003_c2.mp4 with --label 2).
Every file holds its run, ids, times and all else it was made of; `digan render --again clip.mp4` makes it once more.
"""


def add(verbs) -> None:
    p = verbs.add_parser(
        "render",
        help="clips of a trained run",
        description="Render clips to .mp4, .webm, .gif, .png (a strip) or .npz, by the suffix of --out.",
        epilog=EPILOG,
    )
    p.add_argument("--run", help="folder of a run, or the authors' network-snapshot.pkl")
    p.add_argument("--out", metavar="FILE")
    arguments.add_step(p)
    _add_clips(p.add_argument_group("which clips"))
    _add_times(p.add_argument_group("when"))
    _add_picture(p.add_argument_group("which picture"))
    _add_work(p.add_argument_group("how"))
    p.set_defaults(run_verb=run)


def _add_clips(p) -> None:
    r = RenderRequest  # its fields have the defaults
    ids, name = arguments.whole_numbers, arguments.labels
    p.add_argument("--ids", type=ids, help=f"of contents, such as 0-15 or 3,5,8-9 (default {r.ids[0]})")
    p.add_argument("--motion-ids", type=ids, help="one for all clips or one for each (default: the ids)")
    p.add_argument("--label", type=name, help="class by name or number, one or one for each; or all (default: by id)")
    p.add_argument(
        "--truncation", type=float, help=f"1: all variety; towards 0: the average (default {r.truncation:g})"
    )
    p.add_argument("--seed", type=int, help=f"of another world of ids (default {r.seed})")
    p.add_argument("--walk", type=ids, metavar="IDS", help="one film through ids, such as 3,9,4")
    p.add_argument("--walk-of", choices=["both", "content", "motion"], help=f"what walks (default {r.walk_of})")
    p.add_argument("--walk-in", choices=["w", "z"], help="content on straight lines in w (default) or arcs in z")
    p.add_argument("--seconds", type=float, help=f"of a walk from one id to the next (default {r.seconds:g})")
    p.add_argument("--mix", type=ids, metavar="A,B", help="id A with some layers of id B")
    p.add_argument("--layers", type=ids, help="that --mix takes from B, such as 0-4")
    p.add_argument("--cross", action="store_true", help="every id with every motion id (or label): a row for each id")
    p.add_argument(
        "--grid", type=arguments.size, dest="sheet", metavar="COLUMNSxROWS", help="of clips in one file, such as 4x4"
    )


def _add_times(p) -> None:
    r, more = RenderRequest, arguments.whole_number_above_0
    first, last = r.span
    p.add_argument("--frames", type=int, help=f"of a clip (default {r.frames})")
    p.add_argument("--fps", type=float, help=f"frames a second of the file (default {r.fps:g})")
    p.add_argument("--duration", type=float, metavar="SECONDS", help="of the clip, instead of --frames")
    p.add_argument("--slow", type=more, metavar="N", help="N frames for each: N times as long")
    p.add_argument(
        "--times",
        type=arguments.times,
        help=f"FROM:TO, shared out evenly (default {first:g}:{last:g}, as trained; 0:2 is twice as long, 1:-1 runs "
        "backwards), or each time, such as 0.9,0.5,0.1",
    )


def _add_picture(p) -> None:
    p.add_argument("--scale", type=float, help="picture pixels for each trained pixel")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="of the picture in pixels, instead of --scale")
    p.add_argument(
        "--region", type=arguments.region, metavar="X0,Y0,X1,Y1", help="what to show; the trained frame is -1,-1,1,1"
    )
    p.add_argument(
        "--path", metavar="KEYS", help='regions by seconds of the film: "0s:-1,-1,1,1 2s:0,0,.5,.5"; evenly between'
    )
    p.add_argument(
        "--mode",
        choices=["native", "scaled", "smooth"],
        help="native: as trained (default); scaled: whole multiples, nearest between levels; smooth: any size and "
        "region (default with --scale, --size, --region or --path)",
    )
    p.add_argument("--levels", type=int, metavar="R", help="stop the pyramid at R: quicker, coarser")
    p.add_argument(
        "--quality",
        choices=QUALITIES,
        help="of .mp4 and .webm; 10-bit for .mp4 alone; lossless keeps each pixel, for players beyond browsers",
    )


def _add_work(p) -> None:
    p.add_argument("--dry-run", action="store_true", help="show files, frames, tiles, memory and cost; draw nothing")
    p.add_argument("--continue", action="store_true", dest="resume", help="leave files that are there and whole")
    p.add_argument("--again", metavar="FILE", help="make a rendered file once more, by its note, as --out or in place")
    p.add_argument("--process-id", type=int, help="of this process, from 0; each renders its share")
    p.add_argument("--process-count", type=int, help="of all processes that render these files")
    p.add_argument("--distributed", action="store_true", help="on each machine of a TPU pod: they find their numbers")


def run(a) -> None:
    with arguments.about_flags(FLAGS):
        request = _again(a) if a.again else _request(a)
        from digan_jax.host.progress import TerminalProgress
        from digan_jax.jobs.render import Render

        render = Render.of(request)
        if a.dry_run:
            return print(render.description())
        render.run(TerminalProgress())
        print(render.summary())


def _request(a) -> RenderRequest:
    """What the flags ask for."""
    for name in ("run", "out"):
        if not getattr(a, name):
            raise InputError(f"--{name} is required; see: digan render --help")
    given = {name: value for name, value in vars(a).items() if name in FLAGS and value is not None}
    if isinstance(a.times, tuple):  # FROM:TO
        given["span"] = given.pop("times")
    if a.path:
        from digan_jax.rendering.timeline import read_path

        given["path"] = read_path(a.path)
    if a.distributed:
        import jax

        jax.distributed.initialize()
        given |= {"process_id": jax.process_index(), "process_count": jax.process_count()}
    return RenderRequest(**given)


def _again(asked) -> RenderRequest:
    """The request of a file, by its note; another run where one is asked for."""
    from digan_jax.host.video_files import read_metadata

    note, out = read_metadata(asked.again), asked.out or asked.again
    where = {"run": asked.run, "step": asked.step} if asked.run else {}
    if "request" in note:
        return RenderRequest.from_record(note["request"], out=out, **where)
    if "command" not in note:
        raise InputError(f"{asked.again}: was not written by digan render; it holds no request.")
    return _of_command(note, where | {"out": out})


def _of_command(note: dict, where: dict) -> RenderRequest:
    """The request of a file from before files held requests: its note has the command line, and the ids of the file's
    own where that made several files."""
    parser = arguments.Parser(prog="digan")
    add(parser.add_subparsers())
    words = arguments.glue_values(shlex.split(note["command"])[1:])
    own = {name: [note[name]] for name in ("ids", "motion_ids", "label") if note.get("alone") and name in note}
    alone = {"process_id": None, "process_count": None, "distributed": False, "resume": False, "step": note["step"]}
    a = parser.parse_args(words)
    vars(a).update(alone | own | where)
    return _request(a)
