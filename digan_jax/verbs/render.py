"""`digan render`."""

from __future__ import annotations

import shlex

from digan_jax.errors import InputError
from digan_jax.host.video_formats import QUALITIES
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.verbs import arguments

# Of two that exclude each other, the flag that is given with --again replaces the other one of the file.
_EXCLUSIVE = (("times", "span"), ("scale", "size"), ("frames", "duration"), ("region", "path"))
INSTEAD = {a: b for pair in _EXCLUSIVE for a, b in (pair, pair[::-1])}
FLAGS = arguments.flags_of(RenderRequest, sheet="--grid", span="--times", resume="--continue")

EPILOG = """\
Several clips become one file each, named by id, unless --grid or --cross is given: --out clips.mp4 --ids 3,4 writes
clips_0003.mp4 and clips_0004.mp4 (clips_0003_m0007.mp4 with --motion-ids 7, clips_0003_c2.mp4 with --label 2).
The metadata of a file holds its run, ids, times and all other settings; `digan render --again clip.mp4` repeats it.
"""


def add(verbs) -> None:
    p = verbs.add_parser(
        "render",
        help="draw clips with a trained model",
        description="Render clips to .mp4, .webm, .gif, .png (a strip of frames) or .npz, by the suffix of --out.",
        epilog=EPILOG,
    )
    p.add_argument("--run", help=arguments.MODELS)
    p.add_argument("--out", metavar="FILE", help="file to write, or common stem of several")
    arguments.add_step(p)
    _add_clips(p.add_argument_group("clips"))
    _add_times(p.add_argument_group("times"))
    _add_picture(p.add_argument_group("frames"))
    _add_diffusion(p.add_argument_group("diffusion models"))
    _add_work(p.add_argument_group("processes and files"))
    p.set_defaults(run_verb=run)


def _add_clips(p) -> None:
    r = RenderRequest  # has the defaults
    ids, name = arguments.whole_numbers, arguments.labels
    p.add_argument("--ids", type=ids, help=f"ids (seeds) of clips, such as 0-15 or 3,5,8-9 (default {r.ids[0]})")
    p.add_argument("--latents", metavar="FILE", help="the clips of a file of digan invert; --ids count them, from 0")
    p.add_argument("--motion-ids", type=ids, help="ids of motions, one for all clips or one per clip (default: --ids)")
    p.add_argument("--label", type=name, help="class names or indices, one for all clips or one per clip; or all "
                   "(default: random by id)")  # fmt: skip
    p.add_argument(
        "--truncation", type=float, help=f"1: full variety; towards 0: the average clip (default {r.truncation:g})"
    )
    p.add_argument("--seed", type=int, help=f"with another seed, ids give other clips (default {r.seed})")
    p.add_argument("--walk", type=ids, metavar="IDS", help="one clip that interpolates between ids, such as 3,9,4")
    p.add_argument("--walk-of", choices=["both", "content", "motion"],
                   help=f"what --walk interpolates (default {r.walk_of})")  # fmt: skip
    p.add_argument("--walk-in", choices=["w", "z"],
                   help="interpolate content linearly in w (default) or spherically in z")  # fmt: skip
    p.add_argument("--seconds", type=float, help=f"of --walk, from one id to the next (default {r.seconds:g})")
    p.add_argument("--mix", type=ids, metavar="A,B", help="style mixing: id A with --layers of id B")
    p.add_argument("--layers", type=ids, help="layers that --mix takes from B, such as 0-4 (0 is the coarsest)")
    p.add_argument("--edit", type=arguments.edits, metavar="N:AMOUNT",
                   help="3:+2 is along content direction 3, m1:-1 along motion direction 1, in deviations")  # fmt: skip
    p.add_argument("--directions", metavar="FILE", help="of `digan directions`, for --edit (default: found anew)")
    p.add_argument("--cross", action="store_true",
                   help="one file with every id and every motion id or label, a row per id")  # fmt: skip
    p.add_argument(
        "--grid", type=arguments.size, dest="sheet", metavar="COLUMNSxROWS", help="all clips in one file, such as 4x4"
    )


def _add_times(p) -> None:
    r, more = RenderRequest, arguments.whole_number_above_0
    first, last = r.span
    p.add_argument("--frames", type=int, help=f"frames per clip (default {r.frames})")
    p.add_argument("--fps", type=float, help=f"frame rate of the file (default {r.fps:g})")
    p.add_argument("--duration", type=float, metavar="SECONDS", help="length of the clip, instead of --frames")
    p.add_argument("--slow", type=more, metavar="N", help="slow motion: N frames for each, a clip N times as long")
    p.add_argument(
        "--times",
        type=arguments.times,
        help=f"FROM:TO in clips, evenly spaced (default {first:g}:{last:g}, as trained; 0:2 continues for a second "
        "clip length, 1:-1 runs backwards), or a list of times, such as 0.9,0.5,0.1",
    )


def _add_picture(p) -> None:
    p.add_argument("--scale", type=float, help="frame size as a multiple of the trained size, such as 4")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="frame size in pixels, instead of --scale")
    p.add_argument(
        "--region",
        type=arguments.region,
        metavar="X0,Y0,X1,Y1",
        help="part of the plane to show; the trained frame is -1,-1,1,1; smaller zooms in, larger extrapolates",
    )
    p.add_argument(
        "--path", metavar="KEYS", help='camera path, linear between keyframes: "0s:-1,-1,1,1 2s:0,0,.5,.5"'
    )
    p.add_argument(
        "--mode",
        choices=["native", "scaled", "smooth"],
        help="native: the trained grid (default); scaled: whole multiples of the trained size, with nearest-neighbour "
        "upsampling between levels; smooth: any size and region (default with --scale, --size, --region or --path)",
    )
    p.add_argument("--levels", type=int, metavar="R", help="stop the pyramid at resolution R: faster and coarser")
    p.add_argument(
        "--quality",
        choices=QUALITIES,
        help="of .mp4 and .webm; 10-bit: .mp4 only; lossless: exact pixels, not playable in all browsers",
    )


def _add_diffusion(p) -> None:
    r = RenderRequest
    p.add_argument("--sampler", choices=["ancestral", "ddim", "dpm"], help="how frames are drawn (default: as trained)")
    p.add_argument(
        "--sampling-steps",
        metavar="STEPS",
        help="steps of each frame: 20; 10,15,20 by section; ddim100; or lambda20, evenly spaced in the log of SNR",
    )
    p.add_argument("--eta", type=float, help="of --sampler ddim: 0 is deterministic, 1 as noisy as ancestral")
    p.add_argument("--guidance", type=float, help="of classes: 1 as trained, more is nearer to the class")
    p.add_argument("--refine", metavar="RUN", help="draw the clips of --run anew by this model of the family vidm")
    p.add_argument(
        "--refine-noise",
        type=float,
        metavar="SHARE",
        help=f"noise that --refine adds first, as a share of the diffusion steps (default {r.refine_noise:g})",
    )


def _add_work(p) -> None:
    p.add_argument("--dry-run", action="store_true", help="show files, frames, tiles, memory and cost; draw nothing")
    p.add_argument("--continue", action="store_true", dest="resume", help="skip files that are already complete")
    p.add_argument("--again", metavar="FILE",
                   help="render a file again from its metadata, to --out or in place; other flags change what they say")  # fmt: skip
    p.add_argument(
        "--mesh", type=int, metavar="N", help="so many devices of this process share a picture, each a part of its rows"
    )
    p.add_argument("--process-id", type=int, help="index of this process, from 0; each renders its share of the files")
    p.add_argument("--process-count", type=int, help="number of processes that render these files")
    p.add_argument("--distributed", action="store_true", help="on each host of a TPU pod: sets the two above")


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
    """The request of the flags."""
    for name in ("run", "out"):
        if not getattr(a, name):
            raise InputError(f"--{name} is required; see: digan render --help")
    return RenderRequest(**_fields(a))


def _fields(a) -> dict:
    """{field of the request: value of its flag}, of the flags that were given."""
    given = {name: value for name, value in vars(a).items() if name in FLAGS and value is not None and value is not False}
    if isinstance(a.times, tuple):  # FROM:TO
        given["span"] = given.pop("times")
    if a.path is not None:
        from digan_jax.rendering.timeline import read_path

        given["path"] = read_path(a.path)
    if a.distributed:
        import jax

        from digan_jax import devices

        devices.initialize(cure="Leave it out, and give --process-id and --process-count.")
        given |= {"process_id": jax.process_index(), "process_count": jax.process_count()}
    return given


def _again(asked) -> RenderRequest:
    """The request in a file's metadata, changed by the flags that are given; a new --run is read at its own --step."""
    from digan_jax.host.video_files import read_metadata

    note, fields = read_metadata(asked.again), {"out": asked.again} | _fields(asked)
    if asked.run:
        fields |= {"step": asked.step}
    if "request" in note:
        replaced = {INSTEAD.get(name) for name in fields}
        kept = {name: value for name, value in note["request"].items() if name not in replaced}
        return RenderRequest.from_record(kept, **fields)
    if "command" not in note:
        raise InputError(f"{asked.again}: was not written by digan render; it holds no request.")
    if others := sorted(FLAGS[name] for name in fields if name not in ("run", "step", "out")):
        raise InputError(f"--again {asked.again}: is of an older version; leave out {', '.join(others)}.")
    return _of_command(note, fields)


def _of_command(note: dict, where: dict) -> RenderRequest:
    """The request of an older file, whose metadata has the command line, and the file's ids if that made several."""
    parser = arguments.Parser(prog="digan")
    add(parser.add_subparsers())
    words = arguments.glue_values(shlex.split(note["command"])[1:])
    own = {name: [note[name]] for name in ("ids", "motion_ids", "label") if note.get("alone") and name in note}
    alone = {"process_id": None, "process_count": None, "distributed": False, "resume": False, "step": note["step"]}
    a = parser.parse_args(words)
    vars(a).update(alone | own | where)
    return _request(a)
