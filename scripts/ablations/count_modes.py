"""Counts the modes of runs on `rgb_digits`, and the class accuracy of conditional runs on `digits`.

  python scripts/ablations/count_modes.py runs/digits/digan2_0 ...

A small convolutional network learns the ten digits from single frames of the training split; it reads each colour of a
generated frame. Prints for each run the modes found of 1000 among `--samples` clips, KL from the real distribution
(reverse KL of PacGAN, Lin et al. 2018), or the share of conditional clips whose digit is that of their class.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

import digan_jax as digan
from digan_jax.data.digits import DigitsSource
from digan_jax.runs import reading

TIME = 0.5  # of the frame that is read


class Reader(nn.Module):
    """Gray pictures [n h w] in [0, 1] to ten logits."""

    @nn.compact
    def __call__(self, x):
        x = x[..., None]
        for features in (32, 64, 128):
            x = nn.relu(nn.Conv(features, (3, 3))(x))
            x = nn.max_pool(x, (2, 2), (2, 2))
        return nn.Dense(10)(nn.relu(nn.Dense(128)(x.reshape(len(x), -1))))


def train_reader(path: str, size: int, steps: int = 1500, batch: int = 128):
    """(function of pictures [n h w] in [0, 1] to classes, accuracy on pictures of the test split)."""
    source = DigitsSource(path, size, 16, "train")
    net, optimizer = Reader(), optax.adam(optax.cosine_decay_schedule(2e-3, steps))
    params = net.init(jax.random.key(0), jnp.zeros((1, size, size)))
    state = optimizer.init(params)

    @jax.jit
    def step(params, state, x, y):
        def loss(params):
            return optax.softmax_cross_entropy_with_integer_labels(net.apply(params, x), y).mean()

        updates, state = optimizer.update(jax.grad(loss)(params), state)
        return optax.apply_updates(params, updates), state

    read = jax.jit(lambda params, x: net.apply(params, x).argmax(-1))
    random = np.random.default_rng(0)
    for _ in range(steps):
        ids, numbers = random.integers(len(source), size=batch), random.integers(16, size=batch)
        x = np.stack([source.read_frames(i, [n])[0, :, :, 0] for i, n in zip(ids, numbers)]) / np.float32(255)
        params, state = step(params, state, x, source.labels[ids])
    of_pictures = lambda x: np.concatenate([read(params, x[i : i + 500]) for i in range(0, len(x), 500)])
    test = DigitsSource(path, size, 16, "test")
    x = np.stack([test.read_frames(i, [8])[0, :, :, 0] for i in range(2000)]) / np.float32(255)
    return of_pictures, float((of_pictures(x) == test.labels[:2000]).mean())


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--samples", type=int, default=10000)
    options = parser.parse_args()
    read = None
    for run in options.runs:
        config, step = reading.restore_config(run)
        if read is None:
            read, accuracy = train_reader(config.data.path, config.model.resolution)
            print(f"the reader is right on {accuracy:.4f} of unseen pictures")
        model = digan.load(run)
        result = {"kimg": config.train.kimg(step)}
        ids = np.arange(options.samples)
        label = ids % 10 if config.model.n_classes else None
        frames = np.concatenate([
            model.sample(ids[i : i + 250], [TIME], label=None if label is None else list(label[i : i + 250]))[:, 0]
            for i in range(0, len(ids), 250)
        ])  # fmt: skip
        pictures = np.clip(frames / 2 + 0.5, 0, 1)
        if label is not None:
            result["class_accuracy"] = float((read(pictures.mean(-1)) == label).mean())
        else:
            source = DigitsSource(config.data.path, config.model.resolution, 16, "train", digits=3)
            modes = lambda digits: np.bincount(digits @ [100, 10, 1], minlength=1000) / len(digits)
            found = modes(np.stack([read(pictures[..., c]) for c in range(3)], 1))
            real = modes(source.digits)
            some = found > 0
            result["modes"] = int(some.sum())
            result["kl"] = float(np.sum(found[some] * np.log(found[some] / real[some])))
        print(run, json.dumps(result))
        (Path(run) / "modes.json").write_text(json.dumps(result))


if __name__ == "__main__":
    main()
