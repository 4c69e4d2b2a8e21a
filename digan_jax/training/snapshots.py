"""What a run shows of itself: every so often a sheet of fixed ids beside real clips, under WORKDIR/samples."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from digan_jax.config import RunConfig
from digan_jax.data import loader
from digan_jax.host.video_formats import DEFAULT_FPS
from digan_jax.models.digan.networks import Nets
from digan_jax.models.digan.state import GanState, inference_params
from digan_jax.rendering import latents
from digan_jax.rendering.contact_sheets import real_above_generated, write_samples
from digan_jax.rendering.model import Model
from digan_jax.shapes import Params
from digan_jax.training.logs import Writer

STRIP_CLIPS = 4  # rows of real and of generated clips in a strip


class Snapshots:
    """Draws log.sample_clips clips of ids 0, 1, … from the moving averages. Process 0 draws, all must take part."""

    def __init__(self, config: RunConfig, nets: Nets, source, workdir: epath.PathLike, writer: Writer):
        """Writes as many clips of the data to real.mp4 and real.png."""
        self._config, self._writer = config, writer
        self._folder = epath.Path(workdir) / "samples"
        self._score = jax.jit(nets.critic.apply)
        if jax.process_index() == 0:
            self._real, self._real_label = loader.sample_clips(source, config.data, config.log.sample_clips)
            write_samples(self._folder / "real", self._real, DEFAULT_FPS)
            self._strip = self._real[np.linspace(0, len(self._real) - 1, min(STRIP_CLIPS, len(self._real))).astype(int)]

    def write(self, step: int, state: GanState) -> None:
        """kimg_KIMG.mp4, kimg_KIMG.png and histograms of the critics' scores, of this state."""
        whole = multihost_utils.process_allgather((inference_params(state), state.critic), tiled=True)
        if jax.process_index() == 0:
            self._draw(step, *whole)

    def _draw(self, step: int, inference: Params, critic: Params) -> None:
        c = self._config
        times = np.linspace(0, 1, c.data.frames)
        clips = Model(c.model, inference, c.compute_dtype).sample(np.arange(c.log.sample_clips), times)
        kimg = step * c.train.batch_size / 1000
        name = f"kimg_{int(kimg):06d}" if c.log.samples_every_kimg >= 1 else f"kimg_{kimg:010.3f}"
        write_samples(self._folder / name, clips, DEFAULT_FPS, self._strip, STRIP_CLIPS)
        strip = real_above_generated(self._strip, clips[:STRIP_CLIPS])
        self._writer.write_image(step, "samples/real_above_generated", strip)
        if not self._writer.takes_histograms:
            return
        label = self._real_label if c.model.n_classes else None
        self._write_scores(step, "real", critic, self._real / np.float32(127.5) - 1, label)
        self._write_scores(step, "generated", critic, clips, None)

    def _write_scores(self, step, kind, critic, clips, label):
        """Of first and last frame, in whole groups of the minibatch statistics; label None: as drawn by id."""
        group = self._config.train.mbstd_group_size
        n = len(clips) // group * group or len(clips)
        label = latents.one_hot(None if label is None else label[:n], np.arange(n), self._config.model.n_classes)
        scores = self._score(critic, jnp.asarray(clips[:n, [0, -1]], jnp.float32), jnp.ones(n), label)
        for head, values in zip(("motion", "image"), scores):
            self._writer.write_histogram(step, f"scores/{head}_{kind}", np.ravel(values))
