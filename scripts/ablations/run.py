"""Trains arms of an ablation one after another, measures them alike, and writes a table.

  python scripts/ablations/run.py scripts/ablations/heads.py --out runs/heads --kimg 20,40 --seeds 0

The first file is a configuration with a dict ARMS = {name: {field: value}}. Each arm is a run of `digan train`, which
continues where it stopped; results that exist are kept. Writes OUT/table.md, and OUT/ARM_SEED/kimg_K.json and .png: the
strips show real clips above generated ones. Distances are against `--clips` windows of I3D logits, evenly spread over
the training split and over the split "val", whose clips no arm sees.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib.util
import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
from PIL import Image

import digan_jax as digan
from digan_jax.config import files as config_files
from digan_jax.data import clips
from digan_jax.data.sources import open_source
from digan_jax.evaluation.features.extractors import i3d_extractor
from digan_jax.evaluation.metrics import coverage, frechet
from digan_jax.host.video_files import to_uint8
from digan_jax.rendering.contact_sheets import grid_of_clips, real_above_generated

TIMES = np.arange(16) / 15
SHOWN = 6  # clips in a strip
COLUMNS = {
    "fvd": "FVD", "fvd_val": "held out", "kvd": "KVD", "precision": "precision", "recall": "recall",
    "coverage": "coverage", "nearest": "nearest real", "fvd_beyond": "FVD, t in [2, 3]", "minutes": "minutes",
    "clips_per_second": "clips/s",
}  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("table", help="configuration with ARMS")
    parser.add_argument("--out", required=True)
    parser.add_argument("--kimg", default="20", help="where to measure, ascending, such as 20,40")
    parser.add_argument("--seeds", default="0", help="such as 0,1,2")
    parser.add_argument("--arms", default="", help="comma-separated; default: all")
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--beyond", action="store_true", help="also measure times beyond the clip")
    options = parser.parse_args()
    arms, out = arms_of(options.table), Path(options.out)
    kimgs = [float(k) for k in options.kimg.split(",")]
    for name in options.arms.split(",") if options.arms else arms:
        for seed in map(int, options.seeds.split(",")):
            run = out / f"{name}_{seed}"
            overrides = [f"--config.{field}={value}" for field, value in {**arms[name], "train.seed": seed}.items()]
            overrides += [f"--config.checkpoint.{name}={kimgs[0]}" for name in ("every_kimg", "keep_every_kimg")]
            for kimg in kimgs:
                train(options.table, run, kimg, overrides)
                measure(options, run, kimg, overrides)
                write_table(out)


def arms_of(path: str) -> dict[str, dict]:
    """The dict ARMS of a configuration file."""
    spec = importlib.util.spec_from_file_location("arms", path)
    module = importlib.util.module_from_spec(spec)
    sys.path.insert(0, str(Path(path).resolve().parents[2]))  # for `from configs import base`
    spec.loader.exec_module(module)
    return module.ARMS


def train(table: str, run: Path, kimg: float, overrides: list[str]) -> None:
    if result_file(run, kimg).exists():
        return
    command = [sys.executable, "-m", "digan_jax", "train", "--config", table, "--workdir", str(run), *overrides]
    subprocess.run([*command, f"--config.train.total_kimg={kimg}"], check=True)


def result_file(run: Path, kimg: float) -> Path:
    return run / f"kimg_{kimg:g}.json"


def measure(options, run: Path, kimg: float, overrides: list[str]) -> None:
    """Writes the result and the strips of a run at `kimg`, unless they exist."""
    file = result_file(run, kimg)
    if file.exists():
        return
    config = config_files.load(options.table, overrides)
    network = i3d_extractor("crop")
    real, shown = real_features(options, config, "train", network)
    held_out, _ = real_features(options, config, "val", network)
    model = digan.load(run, step=config.train.steps(kimg))
    draw = lambda times: np.concatenate(
        [to_uint8(model.sample(np.arange(i, i + 32), times)) for i in range(0, options.clips, 32)]
    )
    fakes = draw(TIMES)
    fake = network(fakes)
    small = lambda x: x[:, [0, 8]].reshape(len(x), -1).astype(np.float32) / 255
    distances = coverage.nearest(small(fakes), small(shown))[1]
    precision, recall = coverage.precision_recall(real, fake)
    result = {
        "fvd": frechet.frechet_distance(real, fake),
        "fvd_val": frechet.frechet_distance(held_out, fake),
        "kvd": frechet.polynomial_mmd(real, fake),
        "precision": precision,
        "recall": recall,
        "coverage": coverage.density_coverage(real, fake)[1],
        "nearest": float(np.sqrt(np.mean(np.square(distances) / small(shown).shape[1]))),
        **speed(run, kimg),
    }
    if options.beyond:
        result["fvd_beyond"] = frechet.frechet_distance(real, network(draw(2 + TIMES)))
    every = max(1, options.clips // SHOWN)
    enlarged(real_above_generated(shown[::every][:SHOWN], fakes[:SHOWN]), 2).save(file.with_suffix(".png"))
    many = fakes[:64, 8:9]
    enlarged(grid_of_clips(many, 8, 8)[0], 3).save(file.with_name(f"{file.stem}_64.png"))
    file.write_text(json.dumps(result, indent=1))


def enlarged(picture: np.ndarray, times: int) -> Image.Image:
    """A picture with pixels as squares."""
    return Image.fromarray(np.kron(picture, np.ones((times, times, 1), np.uint8)))


def real_features(options, config, split: str, network) -> tuple[np.ndarray, np.ndarray]:
    """Features of real clips of a split, kept beside the runs, and the clips."""
    source = open_source(dataclasses.replace(config.data, split=split), config.model)
    windows = clips.windows(source.frame_counts, 16, config.data.stride)
    spread = (np.arange(options.clips) + 0.5) * windows.total / options.clips
    records, starts = windows.locate(spread.astype(np.int64))
    steps = np.arange(16) * config.data.stride
    read = np.stack([source.read_frames(int(r), s + steps) for r, s in zip(records, starts)])
    kept = Path(options.out) / f"real_{split}_{source.fingerprint}_{options.clips}.npy"
    if not kept.exists():
        kept.parent.mkdir(parents=True, exist_ok=True)
        np.save(kept, network(read))
    return np.load(kept), read


def speed(run: Path, kimg: float) -> dict:
    """Minutes of training and the median rate, by the log; nothing for a run too short to have one."""
    log = run / "metrics.jsonl"
    lines = [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []
    lines = [line for line in lines if "rate/seconds_per_kimg" in line and line["progress/kimg"] <= kimg + 0.1]
    if not lines:
        return {}
    kimgs = np.diff([0, *(line["progress/kimg"] for line in lines)])
    seconds = kimgs * [line["rate/seconds_per_kimg"] for line in lines]
    return {
        "minutes": float(np.maximum(seconds, 0).sum() / 60),
        "clips_per_second": float(np.median([line["rate/clips_per_second"] for line in lines])),
    }


def write_table(out: Path) -> None:
    """OUT/table.md: a row for each result."""
    lines = ["| arm | seed | kimg | " + " | ".join(COLUMNS.values()) + " |", "|---" * (3 + len(COLUMNS)) + "|"]
    for file in sorted(out.glob("*_*/kimg_*.json"), key=lambda f: (f.parent.name, float(f.stem.split("_")[1]))):
        result = json.loads(file.read_text())
        arm, seed = re.fullmatch(r"(.*)_(\d+)", file.parent.name).groups()
        cells = [f"{result[key]:.3g}" if key in result else "" for key in COLUMNS]
        lines.append(f"| {arm} | {seed} | {file.stem.split('_')[1]} | " + " | ".join(cells) + " |")
    (out / "table.md").write_text("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
