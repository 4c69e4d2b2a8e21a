"""`digan VERB`: flags to one library call. Imports what a verb needs when it runs, so that --help is quick."""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
from pathlib import Path

from digan_jax.errors import InputError, TrainingDiverged, full_disk


def main(argv: list[str] | None = None) -> int:
    """Runs one command line and returns the exit status.

    0 done; 1 training diverged; 2 input that cannot be used, or no space left: one message on stderr, nothing
    overwritten; 130 interrupted. Anything else is a defect and shows its traceback.
    """
    if argv is None:
        argv = sys.argv[1:]
        use_huge_pages()
    keep_compiled_programs()
    try:
        arguments, rest = make_parser().parse_known_args(glue_values(argv))
        if rest and "config" not in arguments:
            raise InputError(f"unknown option {rest[0]}; see: digan {arguments.verb} --help")
        arguments.overrides, arguments.command = rest, shlex.join(["digan", *argv])
        arguments.run_verb(arguments)
        return 0
    except InputError as error:
        return _say(str(error), 2)
    except TrainingDiverged as error:
        return _say(str(error), 1)
    except KeyboardInterrupt:
        return _say("interrupted", 130)
    except Exception as error:
        if not full_disk(error):
            raise
        place = getattr(error, "filename", None) or "the output"
        return _say(f"{place}: no space left on the device; free some, or choose another place. It was not changed.", 2)


def _say(message: str, status: int) -> int:
    print(f"digan: {message}", file=sys.stderr)
    return status


def keep_compiled_programs() -> None:
    """A second run of the same shapes starts without compiling; jax reads these when it is imported."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "digan-jax" / "xla"
    os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(cache))
    os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.5")


def use_huge_pages() -> None:
    """XLA:CPU takes its scratch memory anew for each call of a program, and the page faults of that cost up to half
    of a small model's step. glibc asks for huge pages if told so when a process starts, so start once more."""
    if sys.platform == "linux" and "GLIBC_TUNABLES" not in os.environ:
        os.environ["GLIBC_TUNABLES"] = "glibc.malloc.hugetlb=1"
        os.execv(sys.executable, [sys.executable, *sys.orig_argv[1:]])


class Parser(argparse.ArgumentParser):
    """Without abbreviations, which would swallow --config.x; errors are one line."""

    def __init__(self, **options):
        super().__init__(allow_abbrev=False, formatter_class=argparse.RawDescriptionHelpFormatter, **options)

    def error(self, message):
        raise InputError(f"{message}; see: {self.prog} --help")


def make_parser() -> Parser:
    parser = Parser(prog="digan", description="Videos as functions of (x, y, t): prepare, train and render.")
    verbs = parser.add_subparsers(dest="verb", required=True, metavar="prepare | train | render | config | benchmark")
    for add in (_add_prepare, _add_train, _add_render, _add_config, _add_benchmark):
        add(verbs)
    return parser


def _add_prepare(verbs) -> None:
    p = verbs.add_parser(
        "prepare",
        help="videos or frame folders to a data set",
        description="Videos or folders of frames to a TFDS set; class subfolders and train/val/test folders are kept.",
    )
    p.add_argument("source", help="folder of .mp4 .avi .webm .mkv .mov .gif files, or of folders of .png .jpg frames")
    p.add_argument("--name", required=True, help="of the set: small letters, digits and underscores")
    p.add_argument("--size", type=int, default=128, help="pixels a side of the stored frames (default 128)")
    p.add_argument("--frames", type=int, default=16, help="of a clip; shorter shots are left out (default 16)")
    p.add_argument(
        "--stride", type=int, default=1, help="source frames from one frame of a clip to the next (default 1)"
    )
    p.add_argument("--data-dir", default="", help="where sets lie (default $TFDS_DATA_DIR or ~/tensorflow_datasets)")
    p.add_argument("--val-fraction", type=float, default=0.0, help="part of the files that becomes the split val")
    p.add_argument("--cuts", action="store_true", help="split videos at cuts")
    p.add_argument("--piece-frames", type=int, default=128, help="frames of a stored piece, about (default 128)")
    p.add_argument("--workers", type=int, default=0, help="decoding processes; 0: one for each core (default)")
    p.add_argument("--strict", action="store_true", help="fail on a file that cannot be used instead of skipping it")
    p.add_argument("--overwrite", action="store_true", help="replace a set of this name that was made otherwise")
    p.add_argument("--beam", metavar="OPTIONS", help='prepare on Apache Beam, such as --beam "--runner=DirectRunner"')
    p.set_defaults(run_verb=_prepare)


def _prepare(a) -> None:
    from digan_jax.data import builder

    options = "name size frames stride data_dir val_fraction cuts piece_frames workers strict overwrite".split()
    beam = None if a.beam is None else shlex.split(a.beam)
    print(builder.prepare(source=a.source, beam_options=beam, **{name: getattr(a, name) for name in options}))


CONFIG_HELP = """\
Any field can be changed: --config.train.batch_size=32 --config.data.flip=false --config.train.augment="('color',)"
"""


def _add_train(verbs) -> None:
    p = verbs.add_parser(
        "train", help="train, or continue a run", description="Train, or continue.", epilog=CONFIG_HELP
    )
    p.add_argument("--config", required=True, metavar="FILE", help="such as configs/quickstart.py")
    p.add_argument("--workdir", help="of the run (default runs/ and the name of the config file)")
    p.add_argument("--init-from", metavar="RUN", help="start from the weights of another run")
    p.add_argument(
        "--profile",
        type=int,
        default=0,
        metavar="N",
        help="trace N iterations to WORKDIR/profile, for TensorBoard or Perfetto",
    )
    p.add_argument(
        "--distributed", action="store_true", help="one of several processes; TPU pods say the rest themselves"
    )
    p.add_argument("--coordinator", metavar="HOST:PORT", help="of process 0, off TPU pods")
    p.add_argument("--process-id", type=int, help="of this process, from 0")
    p.add_argument("--process-count", type=int, help="of the whole job")
    p.set_defaults(run_verb=_train)


def _train(a) -> None:
    from digan_jax import config_files

    config = config_files.load(a.config, a.overrides)
    if a.profile < 0:
        raise InputError(f"--profile {a.profile}: traces a number of iterations; give 1 or more, or leave it out.")
    if a.distributed or a.coordinator:
        import jax

        jax.distributed.initialize(a.coordinator, a.process_count, a.process_id)
    from digan_jax.training import loop

    loop.train(config, a.workdir or os.path.join("runs", Path(a.config).stem), a.init_from, a.profile)


def _add_config(verbs) -> None:
    p = verbs.add_parser(
        "config",
        help="show a checked configuration",
        description="Print the resolved, checked configuration and the sizes of the networks; starts nothing.",
        epilog=CONFIG_HELP,
    )
    p.add_argument("--config", required=True, metavar="FILE", help="such as configs/quickstart.py")
    p.add_argument("--arrays", action="store_true", help="every array of the networks, with shape and size")
    p.set_defaults(run_verb=_config)


def _config(a) -> None:
    from digan_jax import config as config_lib
    from digan_jax import config_files

    config = config_files.load(a.config, a.overrides)
    for name, value in config_lib.flatten(config).items():
        print(f"{name} = {value!r}")

    import jax
    from clu import parameter_overview

    from digan_jax import networks

    nets = networks.build(config.model, config.compute_dtype)
    print("\nparameters")
    for name, init in {"generator": nets.generator.init, "critics": nets.critic.init}.items():
        shapes = jax.eval_shape(init, jax.random.key(0))
        parts = ", ".join(f"{part} {parameter_overview.count_parameters(tree):,}" for part, tree in shapes.items())
        print(f"  {name:10} {parameter_overview.count_parameters(shapes):>12,}  ({parts})")
        if a.arrays:
            print(parameter_overview.get_parameter_overview(shapes, include_stats=False))


def _add_render(verbs) -> None:
    p = verbs.add_parser(
        "render",
        help="clips of a trained run",
        description="Render clips to .mp4, .webm, .gif, .png (a strip) or .npz, by the suffix of --out.",
        epilog="With --grid all clips share one file. Without, several clips become one file each, named by id: "
        "--out clips.mp4 --ids 3,4\nwrites clips_0003.mp4 and clips_0004.mp4 (and clips_0003_m0007.mp4 with "
        "--motion-ids 7, clips_0003_c2.mp4 with --label 2).",
    )
    p.add_argument("--run", required=True, help="folder of a run, or the authors' network-snapshot.pkl")
    p.add_argument("--out", required=True, metavar="FILE")
    p.add_argument("--ids", type=_whole_numbers, default=[0], help="of contents, such as 0-15 or 3,5,8-9 (default 0)")
    p.add_argument("--motion-ids", type=_whole_numbers, help="one for all clips or one for each (default: the ids)")
    p.add_argument("--label", type=_whole_numbers, help="class index, one or one for each (default: drawn by id)")
    p.add_argument("--truncation", type=float, default=1.0, help="1: all variety; towards 0: the average (default 1)")
    p.add_argument("--seed", type=int, default=0, help="of another world of ids (default 0)")
    p.add_argument("--frames", type=int, default=16, help="of a clip (default 16)")
    p.add_argument("--fps", type=float, default=8.0, help="frames a second of the file (default 8)")
    p.add_argument(
        "--times",
        type=_times,
        default=(0.0, 1.0),
        help="FROM:TO, shared out evenly among --frames (default 0:1, as trained; 0:2 is twice as long), or each time, "
        "such as 0.9,0.5,0.1",
    )
    p.add_argument("--scale", type=float, help="picture pixels for each trained pixel")
    p.add_argument("--size", type=_size, metavar="WxH", help="of the picture in pixels, instead of --scale")
    p.add_argument("--region", type=_region, metavar="X0,Y0,X1,Y1", help="what to show; the trained frame is -1,-1,1,1")
    p.add_argument(
        "--mode",
        choices=["native", "scaled", "smooth"],
        help="native: as trained (default); scaled: whole multiples, nearest between levels; smooth: any size and "
        "region (default with --scale, --size or --region)",
    )
    p.add_argument("--grid", type=_size, metavar="COLUMNSxROWS", help="of clips in one file, such as 4x4")
    p.set_defaults(run_verb=_render)


def _render(a) -> None:
    from digan_jax.rendering import video_files

    suffix = video_files.check_suffix(a.out)
    times = _spread(a.times, a.frames)
    clips = _broadcast(ids=a.ids, motion_ids=a.motion_ids, label=a.label)

    from digan_jax.rendering import model as model_lib
    from digan_jax.rendering import render_files

    model = model_lib.load(a.run)
    grid = _grid(model.config.resolution, a.mode, a.scale, a.size, a.region)
    lat = model.latents(**clips, truncation=a.truncation, seed=a.seed)
    note = {"run": str(a.run), "command": a.command, "seed": a.seed}
    note |= {"truncation": a.truncation, "times": [float(t) for t in times]}
    notes = [note | {name: int(row[i]) for name, row in clips.items() if row} for i in range(len(clips["ids"]))]
    if a.grid:
        note |= {name: row for name, row in clips.items() if row}
        written = render_files.render_sheet(model, lat, times, grid, a.out, a.fps, a.grid, note)
    else:
        stem, several = a.out[: -len(suffix)], len(notes) > 1
        paths = [stem + _name(clips, i) + a.out[-len(suffix) :] if several else a.out for i in range(len(notes))]
        written = render_files.render_each(model, lat, times, grid, paths, a.fps, notes)
    width, height = render_files.picture_size(model, grid)
    of_what = (
        f"{len(notes)} {'clips' if len(notes) > 1 else 'clip'} of {len(times)} frames, {width}x{height} pixels each"
    )
    print(f"{of_what}:", *written, sep="\n  ")


def _add_benchmark(verbs) -> None:
    p = verbs.add_parser(
        "benchmark",
        help="times in units of a matrix product",
        description="Time training, sampling and features on this device, in units U of a 2048x2048 float32 matrix "
        "product timed beside each row. Below 1 in --compare is faster than before.",
    )
    p.add_argument("--rows", type=lambda text: text.split(","), help="some of them, by name, such as train_32_512,i3d")
    p.add_argument("--json", metavar="FILE", help="write the numbers there too")
    p.add_argument("--compare", metavar="BEFORE.json", help="with an earlier --json")
    p.set_defaults(run_verb=_benchmark)


def _benchmark(a) -> None:
    from digan_jax import benchmark

    if a.compare:
        benchmark.compare(a.compare, {"rows": {}})  # refuses a bad file before anything is measured
    report = benchmark.run(a.rows)
    if a.json:
        benchmark.write(report, a.json)
    if a.compare:
        print(benchmark.compare(a.compare, report))


def _broadcast(**rows) -> dict:
    """One id, motion id or label stands for as many as the longest list has."""
    n = max(len(row) for row in rows.values() if row)
    for name, row in rows.items():
        if row and len(row) not in (1, n):
            raise InputError(
                f"--{name.replace('_', '-')}: {len(row)} given for {n} clips; give one for all or one for each."
            )
    return {name: row and (row * n if len(row) == 1 else row) for name, row in rows.items()}


def _name(clips: dict, i: int) -> str:
    marks = {"ids": "_{:04}", "motion_ids": "_m{:04}", "label": "_c{}"}
    return "".join(mark.format(clips[name][i]) for name, mark in marks.items() if clips[name])


def _spread(times, frames: int):
    import numpy as np

    if isinstance(times, list):
        return np.array(times)
    if frames < 1:
        raise InputError(f"--frames {frames}: a clip has one frame or more.")
    return np.linspace(*times, frames)


def _grid(resolution: int, mode, scale, size, region):
    """What --mode, --scale, --size and --region ask for: None as trained."""
    from digan_jax import coords
    from digan_jax.rendering import tiles

    if scale is not None and size is not None:
        raise InputError("--scale and --size both say how large the picture is; give one of them.")
    if scale is not None and not 0 < scale < float("inf"):
        raise InputError(f"--scale {scale}: must be a number above 0.")
    asked = scale is not None or size is not None or region is not None
    mode = mode or ("smooth" if asked else "native")
    x0, y0, x1, y1 = region = region or coords.FULL
    pixels = (scale or 1) * resolution / 2  # for a unit of the plane, which is two units wide
    size = size or tuple(max(1, round(pixels * side)) for side in (x1 - x0, y1 - y0))
    grid = tiles.grid(*size, region, mode)
    grid.resolve(resolution)  # so that a grid that cannot be drawn is refused here
    return grid


def glue_values(argv: list[str]) -> list[str]:
    """`--region -1,-1,1,1` as `--region=-1,-1,1,1`: argparse would take a value that begins with a minus for a flag."""
    glued = []
    for word in argv:
        negative = re.match(r"-[\d.]", word) and re.fullmatch(r"--[a-z-]+", glued[-1] if glued else "")
        if negative or (glued and glued[-1] == "--beam"):
            glued[-1] += "=" + word
        else:
            glued.append(word)
    return glued


def _whole_numbers(text: str) -> list[int]:
    numbers = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d+)(?:-(\d+))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of whole numbers; write 5, 0-15 or 3,5,8-9")
        numbers += range(first, last + 1)
    return numbers


def _numbers(text: str, separator: str, form: str) -> list[float]:
    try:
        return [float(part) for part in text.split(separator)]
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write {form}") from None


def _times(text: str) -> tuple[float, float] | list[float]:
    form = "FROM:TO such as 0:1, or each time such as 0.9,0.5,0.1"
    if ":" not in text:
        return _numbers(text, ",", form)
    ends = _numbers(text, ":", form)
    if len(ends) != 2:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(ends)} ends; write {form}")
    return tuple(ends)


def _size(text: str) -> tuple[int, int]:
    found = re.fullmatch(r"([1-9]\d*)x([1-9]\d*)", text)
    if not found:
        raise argparse.ArgumentTypeError(f"{text!r} does not parse; write two whole numbers above 0, such as 4x3")
    return int(found[1]), int(found[2])


def _region(text: str) -> tuple[float, float, float, float]:
    region = _numbers(text, ",", "x0,y0,x1,y1 such as -1,-1,1,1")
    if len(region) != 4:
        raise argparse.ArgumentTypeError(f"{text!r} has {len(region)} numbers; write x0,y0,x1,y1 such as -1,-1,1,1")
    return tuple(region)
