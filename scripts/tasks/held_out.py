"""Measures a model of the tasks edges, translate or animate on held-out clips of its own data, beside what needs no model.

  python scripts/tasks/held_out.py RUN [--clips 256] [--split val] [--strip strip.png]

Prints FVD against the held-out clips, PSNR, motion (mean absolute difference of the first and the last frame, as a share of
the real clips') and PSNR of the first frame. The baseline of animate repeats the still; that of the others shows, for each
frame, the frame of the training split whose map is nearest (both blurred by a pixel). For maps of edges also F1 of the
edges of what is drawn against the given ones, with a tolerance of a pixel.
"""

import argparse
import dataclasses
import json

import jax
import numpy as np
from PIL import Image
from scipy import ndimage

import digan_jax as digan
from digan_jax.data import edges, loader
from digan_jax.data.sources import open_source
from digan_jax.evaluation.features.extractors import i3d_extractor
from digan_jax.evaluation.metrics import fidelity, frechet, motion
from digan_jax.host.video_files import to_uint8
from digan_jax.runs import reading

SHOWN = 6  # clips of the strip
FRAMES = 16
SEARCHED = 2048  # frames of the training split, at most


def clips_of(config, split: str, count: int):
    """(frames uint8 [b n h w 3], condition) of clips evenly spread over a split."""
    data = dataclasses.replace(config.data, split=split)
    if data.source in ("bouncing", "figures"):  # known at all times, and I3D sees no fewer
        data = dataclasses.replace(data, frames=FRAMES)
    config = dataclasses.replace(config, data=data)
    source = open_source(config.data, config.model)
    frames, _ = loader.sample_clips(source, config.data, count)
    return frames, loader.sample_conditions(source, config, count)


def nearest_frames(maps: np.ndarray, of_training: np.ndarray, frames: np.ndarray) -> np.ndarray:
    """For each map [n h w c] the training frame whose map is nearest."""
    blurred = lambda x: ndimage.gaussian_filter(x, (0, 1, 1, 0)).reshape(len(x), -1)
    ours, theirs = blurred(maps), blurred(of_training)
    distance = np.square(theirs).sum(1)[None] - 2 * ours @ theirs.T
    return frames[distance.argmin(1)]


def flat(clips) -> np.ndarray:
    """[b n ...] as [b · n ...]."""
    return np.asarray(clips).reshape(-1, *clips.shape[2:])


def edge_f1(clips: np.ndarray, given: np.ndarray) -> float:
    """F1 of edges of frames [b n h w 3] against given ones [b n h w], each within a pixel of one of the other."""
    found = np.stack([edges.edges(frame) for frame in flat(clips)]) > 0
    given = given.reshape(found.shape) > 0.5
    near = lambda x: ndimage.binary_dilation(x, np.ones((1, 3, 3), bool))
    precision = (found & near(given)).sum() / max(found.sum(), 1)
    recall = (given & near(found)).sum() / max(given.sum(), 1)
    return float(2 * precision * recall / max(precision + recall, 1e-9))


def drawn(model, condition, times: np.ndarray, batch: int = 32) -> np.ndarray:
    count, found = len(condition.maps), []
    for start in range(0, count, batch):
        ids = np.arange(start, min(start + batch, count))
        part = jax.tree.map(lambda x: x[ids], condition)
        found.append(to_uint8(model.generate(model.latents(ids), times, None, part)))
    return np.concatenate(found)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--clips", type=int, default=256)
    parser.add_argument("--split", default="val", help="test for drawn data")
    parser.add_argument("--strip")
    a = parser.parse_args()
    config, step = reading.restore_config(a.run)
    truth, condition = clips_of(config, a.split, a.clips)
    maps = np.asarray(condition.maps)
    made = {"model": drawn(digan.load(a.run), condition, np.linspace(0, 1, truth.shape[1]))}
    if config.task.name == "animate":
        made["still"] = np.stack([motion.frozen(clip) for clip in truth])
    else:
        frames, shown = clips_of(config, "train", SEARCHED // truth.shape[1])
        copied = nearest_frames(flat(maps)[..., :-1], flat(shown.maps)[..., :-1], flat(frames))
        made["nearest training frame"] = copied.reshape(truth.shape)
    network = i3d_extractor("crop")
    real, found = network(truth), {}
    energy = lambda x: np.abs(x[:, -1].astype(float) - x[:, 0]).mean()
    for name, clips in (made | {"truth": truth}).items():
        row = found[name] = {"motion": float(energy(clips) / energy(truth))}
        if name != "truth":
            row["fvd"] = frechet.frechet_distance(real, network(clips))
            row["psnr"] = fidelity.psnr(flat(clips), flat(truth))
            row["psnr of the first frame"] = fidelity.psnr(clips[:, 0], truth[:, 0])
        if config.task.name == "edges":
            row["edge f1"] = edge_f1(clips, maps[..., 0])
        print(name, json.dumps({key: round(value, 3) for key, value in row.items()}), flush=True)
    print(json.dumps({"kimg": config.train.kimg(step), **found}))
    if a.strip:
        strip(truth, made, maps[..., :-1]).save(a.strip)


def strip(truth: np.ndarray, made: dict[str, np.ndarray], maps: np.ndarray) -> Image.Image:
    """For each of some clips a row of maps, if they are not frames, one of each thing that was made, and the truth."""
    chosen = np.linspace(0, len(truth) - 1, SHOWN).astype(int)
    if maps.shape[1] == truth.shape[1]:
        label = maps[..., 0] if maps.shape[-1] == 1 else maps.argmax(-1)
        made = {"map": np.repeat((label * (255 // max(1, label.max()))).astype(np.uint8)[..., None], 3, -1)} | made
    columns = np.linspace(0, truth.shape[1] - 1, 7).astype(int)
    rows = [np.concatenate(list(clips[i][columns]), 1) for i in chosen for clips in (*made.values(), truth)]
    return Image.fromarray(np.kron(np.concatenate(rows), np.ones((2, 2, 1), np.uint8)))


if __name__ == "__main__":
    main()
