"""`digan render`."""

from __future__ import annotations

import shlex

from digan_jax.errors import InputError
from digan_jax.verbs import arguments

EPILOG = """\
Without --grid and --cross several clips become one file each, named by id: --out clips.mp4 --ids 3,4 writes
clips_0003.mp4 and clips_0004.mp4 (and clips_0003_m0007.mp4 with --motion-ids 7, clips_0003_c2.mp4 with --label 2).
Every file holds its run, ids, times and command; `digan render --again clip.mp4` makes it once more.
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
    p.add_argument("--ids", type=arguments.whole_numbers, default=[0], help="of contents, such as 0-15 or 3,5,8-9 (default 0)")
    p.add_argument("--motion-ids", type=arguments.whole_numbers, help="one for all clips or one for each (default: the ids)")
    p.add_argument(
        "--label", type=arguments.labels, help="class by name or number, one or one for each; or all (default: by id)"
    )
    p.add_argument("--truncation", type=float, default=1.0, help="1: all variety; towards 0: the average (default 1)")
    p.add_argument("--seed", type=int, default=0, help="of another world of ids (default 0)")
    p.add_argument("--walk", type=arguments.whole_numbers, metavar="IDS", help="one film through ids, such as 3,9,4")
    p.add_argument("--walk-of", choices=["both", "content", "motion"], default="both", help="what walks (default both)")
    p.add_argument(
        "--walk-in", choices=["w", "z"], default="w", help="content on straight lines in w (default) or arcs in z"
    )
    p.add_argument("--seconds", type=float, default=2.0, help="of a walk from one id to the next (default 2)")
    p.add_argument("--mix", type=arguments.whole_numbers, metavar="A,B", help="id A with some layers of id B")
    p.add_argument("--layers", type=arguments.whole_numbers, help="that --mix takes from B, such as 0-4")
    p.add_argument("--cross", action="store_true", help="every id with every motion id (or label): a row for each id")
    p.add_argument("--grid", type=arguments.size, metavar="COLUMNSxROWS", help="of clips in one file, such as 4x4")


def _add_times(p) -> None:
    p.add_argument("--frames", type=int, default=16, help="of a clip (default 16)")
    p.add_argument("--fps", type=float, default=8.0, help="frames a second of the file (default 8)")
    p.add_argument("--duration", type=float, metavar="SECONDS", help="of the clip, instead of --frames")
    p.add_argument(
        "--slow", type=arguments.whole_number_above_0, default=1, metavar="N", help="N frames for each: N times as long"
    )
    p.add_argument(
        "--times",
        type=arguments.times,
        default=(0.0, 1.0),
        help="FROM:TO, shared out evenly (default 0:1, as trained; 0:2 is twice as long, 1:-1 runs backwards), or each "
        "time, such as 0.9,0.5,0.1",
    )


def _add_picture(p) -> None:
    p.add_argument("--scale", type=float, help="picture pixels for each trained pixel")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="of the picture in pixels, instead of --scale")
    p.add_argument("--region", type=arguments.region, metavar="X0,Y0,X1,Y1", help="what to show; the trained frame is -1,-1,1,1")
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
        choices=["standard", "10-bit", "lossless"],
        default="standard",
        help="of .mp4 and .webm; 10-bit for .mp4 alone; lossless keeps each pixel, for players beyond browsers",
    )


def _add_work(p) -> None:
    p.add_argument("--dry-run", action="store_true", help="show files, frames, tiles, memory and cost; draw nothing")
    p.add_argument("--continue", action="store_true", dest="resume", help="leave files that are there and whole")
    p.add_argument("--again", metavar="FILE", help="make a rendered file once more, by its note, as --out or in place")
    p.add_argument("--process-id", type=int, default=0, help="of this process, from 0; each renders its share")
    p.add_argument("--process-count", type=int, default=1, help="of all processes that render these files")
    p.add_argument("--distributed", action="store_true", help="on each machine of a TPU pod: they find their numbers")


def run(a) -> None:
    if a.again:
        a = _again(a)
    for name in ("run", "out"):
        if not getattr(a, name):
            raise InputError(f"--{name} is required; see: digan render --help")
    if a.distributed:
        import jax

        jax.distributed.initialize()
        a.process_id, a.process_count = jax.process_index(), jax.process_count()
    from digan_jax.jobs import render

    order = render.plan(a)
    print(order.describe() if a.dry_run else order.carry_out())


def _again(asked):
    """The options that made a file, with its own ids where the command made several files."""
    from digan_jax.host import video_files

    note = video_files.read_metadata(asked.again)
    if "command" not in note:
        raise InputError(f"{asked.again}: was not written by digan render; it holds no command.")
    parser = arguments.Parser(prog="digan")
    add(parser.add_subparsers())
    a = parser.parse_args(arguments.glue_values(shlex.split(note["command"])[1:]))
    if note.get("alone"):
        for name in ("ids", "motion_ids", "label"):
            if name in note:
                setattr(a, name, [note[name]])
    a.run, a.step = asked.run or a.run, note["step"] if asked.run is None else asked.step
    a.out, a.dry_run, a.resume, a.again = asked.out or asked.again, asked.dry_run, False, None
    a.process_id, a.process_count, a.distributed = 0, 1, False
    a.command = note["command"]
    return a
