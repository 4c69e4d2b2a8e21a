"""Measures a model of `--config translate` on held-out bouncing shapes: the table of docs/tasks_translate.md.

Command   python scripts/tasks/translate.py runs/translate [--clips 32] [--strip strip.png]
"""

from __future__ import annotations

import argparse
from functools import partial

import numpy as np
from PIL import Image

import digan_jax as digan
from digan_jax.data import bouncing, carrying
from digan_jax.host.video_files import to_uint8
from digan_jax.interop import opening
from digan_jax.rendering import styles
from digan_jax.rendering.translating import Translator

GROUND_STAYS = lambda times: np.interp(times * 6, range(6), (1, 0.92, 0.7, 0.43, 0.19, 0.02))  # least squares, 200 clips
FIRST = bouncing.N_CLIPS["train"]  # clips of the split "test"


def drawn(model, labels, instances, look, places=None):
    """The frames at places among maps, uint8; at each map if there are none."""
    count, places = len(labels), np.arange(len(labels), dtype=float) if places is None else places
    read = partial(carrying.at, lambda number: (labels[number], instances[number].astype(np.int32)))
    frames = Translator(model, count, model.latents([0]), look).frames(read, count, places, labels.shape[:0:-1])
    return to_uint8(np.stack(list(frames)))


def iou(clip, clip_id, times, labels):
    """(intersections, unions) of background and shape.

    A pixel is given to the object whose true texture there, or whose mean colour, is nearest.
    """
    layers = bouncing.layers(clip_id, times, clip.shape[1])
    mean = layers.mean((1, 2, 3), keepdims=True)
    away = [np.square(colours - clip[None]).sum(-1) for colours in (layers, mean)]
    shape = np.minimum(*away).argmin(0) > 0
    pairs = [(shape == kind, (labels > 0) == kind) for kind in (False, True)]
    return np.array([[(a & b).sum(), (a | b).sum()] for a, b in pairs])


def mean_colours(clip, instances):
    """{instance: its mean colour in each frame where it has 8 pixels or more}, in [0, 1]."""
    found = {}
    for i in np.unique(instances):
        where = [(t, instances[t] == i) for t in range(len(clip)) if (instances[t] == i).sum() >= 8]
        found[i] = {t: clip[t][mask].mean(0) / 255 for t, mask in where}
    return found


def flat_colours(clip, instances):
    """Each object in its mean colour of the first frame, or of the clip if that does not show it."""
    painted = np.zeros(clip.shape)
    for i in np.unique(instances):
        first = instances[0] == i
        painted[instances == i] = clip[0][first].mean(0) if first.any() else clip[instances == i].mean(0)
    return painted


def best_without_drift(clip_id, times, truth, instances):
    """Exact shapes on the first frame's ground, mixed with its mean colour as is best: maps do not say how it drifts."""
    ground = bouncing.layers(clip_id, times, truth.shape[1])[0]
    mean = ground[:1].mean((1, 2), keepdims=True)
    guess = mean + GROUND_STAYS(times)[:, None, None, None] * (ground[:1] - mean)
    return np.where(instances[..., None] > 0, truth, guess)


def measure(model, times, clips, strip):
    size, rows = model.config.resolution, []
    totals = {name: np.zeros((2, 2)) for name in ("drawn", "truth", "wrong", "flat")}
    errors, still, flat, best, drifts, edits, halves, blends = [], [], [], [], [], [], [], []
    for n in range(clips):
        one = FIRST + n
        truth, labels, instances = (f(one, times, size) for f in (bouncing.render, bouncing.labels, bouncing.instances))
        label_of = np.where(np.arange(instances.max() + 1) > 0, labels.max(), 0)
        nobody = np.zeros(len(label_of), bool)
        here = instances[0].astype(np.int32)
        look = lambda edited: styles.of_frame(model, truth[0], here, label_of * ~edited, edited, age=0.0)
        clip = drawn(model, labels, instances, look(nobody))
        between = drawn(model, labels, instances, look(nobody), np.arange(len(times) - 1) + 0.5)
        middle = bouncing.render(one, (times[1:] + times[:-1]) / 2, size)
        halves.append(np.square(between.astype(float) - middle).mean((1, 2, 3)))
        blends.append(np.square((truth[1:].astype(float) + truth[:-1]) / 2 - middle).mean((1, 2, 3)))
        other = FIRST + clips + n
        other_maps = [f(other, times, size) for f in (bouncing.labels, bouncing.instances)]
        other_maps[1] = np.minimum(other_maps[1], len(label_of) - 1)
        wrong = drawn(model, *other_maps, look(nobody))
        totals["drawn"] += iou(clip, one, times, labels)
        totals["truth"] += iou(truth, one, times, labels)
        totals["wrong"] += iou(wrong, one, times, labels)
        errors.append(np.square(clip.astype(float) - truth).mean((1, 2, 3)))
        still.append(np.square(truth[:1].astype(float) - truth).mean((1, 2, 3)))
        gone = np.arange(len(label_of)) == instances.max()  # the nearest shape becomes background
        edited = drawn(model, np.where(instances == instances.max(), 0, labels), instances, look(gone))
        changed = np.abs(edited.astype(float) - clip).max(-1) > 16
        painted = flat_colours(truth, instances)
        totals["flat"] += iou(painted, one, times, labels)
        flat.append(np.square(painted - truth).mean())
        best.append(np.square(best_without_drift(one, times, truth, instances) - truth).mean())
        nearest = instances == instances.max()
        edits.append([(changed & nearest).sum(), (changed | nearest).sum()])
        ours, theirs = mean_colours(clip, instances), mean_colours(truth, instances)
        for i in ours:
            away = [ours[i][t] - theirs[i][t] for t in sorted(ours[i])]
            drifts += [np.abs(a - away[0]).mean() for a in away[1:]]
        if n < 6:
            rows += [np.concatenate(list(x), 1) for x in (truth, clip, edited)]
    psnr = lambda e: 10 * np.log10(255**2 / np.mean(e))
    errors, still = np.array(errors), np.array(still)
    for name, total in totals.items():
        print(f"mIoU, {name}: {(total[:, 0] / total[:, 1]).mean():.3f}")
    print(f"PSNR with the look of the first frame: {psnr(errors):.2f} dB; at its time {psnr(errors[:, 0]):.2f} dB")
    print(f"PSNR of the first frame repeated: {psnr(still[:, 1:]):.2f} dB")
    print(f"PSNR of each object's mean colour in the first frame: {psnr(flat):.2f} dB")
    print(f"PSNR of exact shapes on a ground whose drift is unknown: {psnr(best):.2f} dB")
    print("PSNR by frame:", " ".join(f"{psnr(e):.1f}" for e in errors.T))
    print(f"PSNR halfway between maps: {psnr(halves):.2f} dB; of the mean of the true frames there: {psnr(blends):.2f} dB")
    print("PSNR halfway, by frame:", " ".join(f"{psnr(e):.1f}" for e in np.array(halves).T))
    print(f"an edit's pixels, IoU with the object's: {np.sum(edits, 0)[0] / np.sum(edits, 0)[1]:.3f}")
    print(f"colour drift of an object: {np.mean(drifts):.4f} of the range")
    if strip:
        Image.fromarray(np.concatenate(rows)).resize((len(times) * size * 3, len(rows) * size * 3), 0).save(strip)


if __name__ == "__main__":
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("run")
    p.add_argument("--clips", type=int, default=32)
    p.add_argument("--strip")
    a = p.parse_args()
    frames = opening.read(a.run).facts["data"]["frames"]
    measure(digan.load(a.run), np.linspace(0, 1, frames), a.clips, a.strip)
