"""FVD of a run on itself, under the quick protocol, while it trains; keeps the checkpoint with the lowest."""

from __future__ import annotations

import time

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from digan_jax.config import RunConfig
from digan_jax.data.sources import Source
from digan_jax.evaluation import feature_cache, protocols
from digan_jax.evaluation.features import extractors
from digan_jax.evaluation.metrics import frechet, motion
from digan_jax.evaluation.sides import GeneratedClips, RealClips
from digan_jax.models.digan.state import GanState, inference_params
from digan_jax.rendering.model import Model
from digan_jax.runs.checkpoint import Checkpointer, due
from digan_jax.training.logs import Writer


class QuickFvd:
    """Measures every eval.every_kimg. Process 0 measures, all must take part.

    Raises:
      InputError: at once, when it is wanted and there are too few clips or no weights.
    """

    def __init__(self, config: RunConfig, source: Source, workdir: epath.PathLike, saved: Checkpointer, writer: Writer):
        self._config, self._saved, self._writer, self._workdir = config, saved, writer, str(workdir)
        self._real: np.ndarray | None = None
        if config.eval.every_kimg and jax.process_index() == 0:
            self._protocol = protocols.PROTOCOLS["quick"]
            self._clips = RealClips(source, config.data.name or config.data.source, config.data.split, config.data.stride)
            self._plan = self._clips.plan(self._protocol, 0)
            self._network = extractors.i3d_extractor(self._protocol.resize, config.eval.weights or None)

    def due(self, step: int) -> bool:
        return due(step, self._config.train.batch_size, self._config.eval.every_kimg)

    def measure(self, step: int, state: GanState, data: dict) -> None:
        """Saves `state` with its position in the data, measures it, and writes "eval/fvd_quick" to the log."""
        started = time.monotonic()
        self._saved.save(step, state, data)
        inference = multihost_utils.process_allgather(inference_params(state), tiled=True)
        scalars = self._numbers(inference) if jax.process_index() == 0 else {}
        fvd = float(multihost_utils.broadcast_one_to_all(np.float64(scalars.get("eval/fvd_quick", 0.0))))
        best = self._saved.note_fvd(step, fvd)
        if scalars:
            scalars["eval/seconds"] = time.monotonic() - started
            self._writer.write_scalars(step, scalars)
            note = f"FVD (quick) {fvd:.1f}{', the best so far' if best else ''}; real clips, frozen: "
            self._writer.write_text(step, "eval", note + f"{scalars['eval/fvd_quick_frozen']:.1f}")

    def _numbers(self, inference) -> dict[str, float]:
        c, protocol = self._config, self._protocol
        if self._real is None:  # once: they stay
            cache = feature_cache.FeatureCache(self._network.key, feature_cache.default_folder())
            plain = feature_cache.Collector(self._network, cache)
            still = feature_cache.Collector(self._network, cache, motion.frozen)
            self._real, frozen = feature_cache.collect(self._clips.read(self._plan), [plain, still])
            self._frozen = frechet.frechet_distance(self._real, frozen)
        drawn = GeneratedClips(Model(c.model, inference, c.compute_dtype), self._workdir, c.data.frames)
        collector = feature_cache.Collector(self._network, feature_cache.FeatureCache(self._network.key))
        (fake,) = feature_cache.collect(drawn.read(np.arange(protocol.n_fake), protocol.quantise), [collector])
        return {
            "eval/fvd_quick": frechet.frechet_distance(self._real, fake),
            "eval/kvd_quick": frechet.polynomial_mmd(self._real, fake),
            "eval/fvd_quick_frozen": self._frozen,
        }
