"""`digan render`."""

from __future__ import annotations

from digan_jax.errors import InputError
from digan_jax.verbs import arguments


def add(verbs) -> None:
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
    p.add_argument("--ids", type=arguments.whole_numbers, default=[0], help="of contents, such as 0-15 or 3,5,8-9 (default 0)")
    p.add_argument("--motion-ids", type=arguments.whole_numbers, help="one for all clips or one for each (default: the ids)")
    p.add_argument("--label", type=arguments.whole_numbers, help="class index, one or one for each (default: drawn by id)")
    p.add_argument("--truncation", type=float, default=1.0, help="1: all variety; towards 0: the average (default 1)")
    p.add_argument("--seed", type=int, default=0, help="of another world of ids (default 0)")
    p.add_argument("--frames", type=int, default=16, help="of a clip (default 16)")
    p.add_argument("--fps", type=float, default=8.0, help="frames a second of the file (default 8)")
    p.add_argument(
        "--times",
        type=arguments.times,
        default=(0.0, 1.0),
        help="FROM:TO, shared out evenly among --frames (default 0:1, as trained; 0:2 is twice as long), or each time, "
        "such as 0.9,0.5,0.1",
    )
    p.add_argument("--scale", type=float, help="picture pixels for each trained pixel")
    p.add_argument("--size", type=arguments.size, metavar="WxH", help="of the picture in pixels, instead of --scale")
    p.add_argument("--region", type=arguments.region, metavar="X0,Y0,X1,Y1", help="what to show; the trained frame is -1,-1,1,1")
    p.add_argument(
        "--mode",
        choices=["native", "scaled", "smooth"],
        help="native: as trained (default); scaled: whole multiples, nearest between levels; smooth: any size and "
        "region (default with --scale, --size or --region)",
    )
    p.add_argument("--grid", type=arguments.size, metavar="COLUMNSxROWS", help="of clips in one file, such as 4x4")
    p.set_defaults(run_verb=run)


def run(a) -> None:
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
