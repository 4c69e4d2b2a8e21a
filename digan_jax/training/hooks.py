"""Checkpoints, samples and FVD during training. Each is a `Hook`, called after every iteration."""

from __future__ import annotations

import dataclasses
import sys
import time
from collections.abc import Callable

import jax
import numpy as np
from etils import epath
from jax.experimental import multihost_utils

from digan_jax.config import RunConfig
from digan_jax.data import loader
from digan_jax.data.sources import Source, open_source
from digan_jax.errors import InputError, TrainingDiverged, full_disk
from digan_jax.evaluation import feature_cache, protocols
from digan_jax.evaluation.features import extractors
from digan_jax.evaluation.metrics import frechet, motion
from digan_jax.evaluation.sides import GeneratedClips, RealClips
from digan_jax.host.locks import Held
from digan_jax.host.notes import say_once
from digan_jax.host.video_formats import DEFAULT_FPS
from digan_jax.models import families
from digan_jax.models.interface import State
from digan_jax.rendering import latents, samplers
from digan_jax.rendering.contact_sheets import real_above_generated, strips, write_samples
from digan_jax.runs.checkpoint import Checkpointer, last_good, short, unsaved
from digan_jax.runs.reading import finished_steps, newest_step
from digan_jax.shapes import Condition, Params
from digan_jax.training.logs import Writer

Hook = Callable[[int, State], None]  # called as (finished iterations, state after them)
STRIP_CLIPS = 4  # rows of real and of generated clips in a strip


class SaveCheckpoint:
    """Saves checkpoints when they are due. Training continues after a failed save.

    The failure is reported at the next line of the log; the line after that tries again, with the state at that time.
    The last good checkpoint stays.

    Args:
      position: maps a step to the position in the data, as JSON.
      settle: called before each save; raises `TrainingDiverged` for a loss that is not finite.
      held: the lock on `workdir`; checked at each save and line of the log.
    """

    def __init__(
        self,
        config: RunConfig,
        workdir: str,
        saved: Checkpointer,
        position: Callable[[int], dict],
        settle: Callable[[], None],
        held: Held,
    ):
        self.saved, self._config, self._workdir = saved, config, workdir
        self._position, self._settle, self._held = position, settle, held
        self._again = False  # the last save failed
        self._begun: int | None = None  # the save that should mend it

    def __call__(self, step: int, state: State) -> None:
        if self.saved.due(step):
            self.now(step, state)
        elif self._config.train.due(step, self._config.log.every_kimg):
            self._held.check()
            failed = self._look(step)
            if self._again and not failed:
                self.now(step, state)

    def now(self, step: int, state: State) -> None:
        """Starts a save. Other errors than the following are only reported on stderr.

        Raises:
          TrainingDiverged: a loss or the state is not finite.
          InputError: the lock on the workdir is lost.
        """
        self._held.check()
        self._settle()
        if step in finished_steps(self._workdir):
            return
        self._look(step, wait=True)  # Orbax waits for the save before in any case, and all processes must know of it
        try:
            self.saved.save(step, state, self._position(step))
        except (InputError, TrainingDiverged):
            raise
        except Exception as error:
            self._tell(step, error)
        else:
            self._begun, self._again = (step if self._again else self._begun), False

    def last(self, step: int, state: State) -> None:
        """Saves as `now`, and waits until all is on disk.

        Raises:
          TrainingDiverged: a loss or the state is not finite.
          InputError: the save failed or the lock is lost; names the last finished checkpoint.
        """
        self._held.check()
        self._settle()
        self._look(step, wait=True)
        try:
            self.saved.save(step, state, self._position(step))
            error = self.saved.failure(wait=True)
        except (InputError, TrainingDiverged):
            raise
        except Exception as met:
            error = met
        if error is not None:
            self._held.check()
            raise unsaved(self._workdir, error) from error

    def _look(self, step: int, wait: bool = False) -> bool:
        """Returns whether the last save failed, and reports that, or that a retry succeeded, on stderr."""
        error = self.saved.failure(wait)
        if error is not None:
            self._tell(step, error)
        elif self._begun is not None and self._begun in finished_steps(self._workdir):
            self._say(f"the checkpoint of step {self._begun} is saved; nothing was lost.")
            self._begun = None
        return error is not None

    def _tell(self, step: int, error: Exception) -> None:
        self._again, self._begun = True, None
        since = self._config.train.kimg(step - (newest_step(self._workdir) or 0))
        self._say(
            f"a checkpoint could not be saved ({full_disk(error) or short(error)}). Training goes on, and the next "
            f"line of the log tries again. Until then, {last_good(self._workdir)}; if the run ended now, the "
            f"{since:g} kimg since then would be lost."
        )

    def _say(self, text: str) -> None:
        if jax.process_index() == 0:
            print(f"digan: {self._workdir}: {text}", file=sys.stderr, flush=True)


class WriteSamples:
    """Every log.samples_every_kimg, writes samples of the averaged generator beside real clips to WORKDIR/samples.

    The samples are log.sample_clips clips of the ids 0, 1, …. Process 0 draws them; every process must call the hook.
    """

    def __init__(self, config: RunConfig, source: Source, workdir: epath.PathLike, writer: Writer):
        """Writes log.sample_clips real clips to real.mp4 and real.png. Strips also show clips of data.held_out."""
        self._config, self._writer = config, writer
        self._folder = epath.Path(workdir) / "samples"
        if jax.process_index() == 0:
            self._real, self._real_label = loader.sample_clips(source, config.data, config.log.sample_clips)
            write_samples(self._folder / "real", self._real, DEFAULT_FPS, strips(self._real[:STRIP_CLIPS]))
            self._condition = loader.sample_conditions(source, config, config.log.sample_clips)
            shown = np.arange(min(STRIP_CLIPS, len(self._real)))  # with a task, generated clips stand below what they had
            if self._condition is None:
                shown = np.linspace(0, len(self._real) - 1, len(shown)).astype(int)
            self._strip, self._held_out = self._real[shown], None
            if config.data.held_out and len(shown) > 1:
                self._held_out = held_out_clips(config, len(shown))

    def __call__(self, step: int, state: State) -> None:
        """Writes kimg_KIMG.mp4, kimg_KIMG.png and histograms of the critics' scores. A full disk is only reported."""
        c = self._config
        if not c.train.due(step, c.log.samples_every_kimg):
            return
        state = multihost_utils.process_allgather(state, tiled=True) if jax.process_count() > 1 else state
        if jax.process_index() == 0:
            try:
                self._draw(step, state)
            except Exception as error:
                if not full_disk(error):
                    raise
                say_once(f"{self._folder}: {full_disk(error).lower()}; the samples of step {step} are missing.")

    def _draw(self, step: int, state: State) -> None:
        c = self._config
        given = {} if self._condition is None else {"condition": self._condition}
        model = samplers.of_run(c, families.of(c).inference(state))
        if self._condition is not None and c.model.n_classes:
            given["label"] = self._real_label
        clips = model.sample(np.arange(c.log.sample_clips), np.linspace(0, 1, c.data.frames), **given)
        kimg = c.train.kimg(step)
        name = f"kimg_{int(kimg):06d}" if c.log.samples_every_kimg >= 1 else f"kimg_{kimg:010.3f}"
        columns = 1 if self._held_out is None else 2
        shown = min(columns * len(self._strip), len(clips)) // columns * columns
        strip = real_above_generated(self._strip, clips[:shown], self._held_out)
        write_samples(self._folder / name, clips, DEFAULT_FPS, strip)
        self._writer.write_image(step, "samples/real_above_generated", strip)
        if self._writer.takes_histograms:
            self._write_scores(step, state, "real", self._real / np.float32(127.5) - 1, self._real_label)
            self._write_scores(step, state, "generated", clips, None)

    def _write_scores(self, step, state, kind, clips, label) -> None:
        """`label`: class indices; None: those that the clip ids determine."""
        c = self._config
        classes = c.model.n_classes
        one_hot = latents.one_hot(label if classes else None, np.arange(len(clips)), classes)
        condition = None if one_hot is None else Condition(one_hot)
        if self._condition is not None:
            condition = self._condition._replace(label=one_hot)
        for head, values in families.of(c).scores(c, state, clips, condition).items():
            self._writer.write_histogram(step, f"scores/{head}_{kind}", values)


def held_out_clips(config: RunConfig, count: int) -> np.ndarray:
    """Whole real clips [count t h w 3] of the split data.held_out.

    Raises:
      InputError: there is no such split, or it holds no clip.
    """
    try:
        unseen = open_source(dataclasses.replace(config.data, split=config.data.held_out), config.model)
        return loader.sample_clips(unseen, config.data, count)[0]
    except InputError as error:
        raise InputError(f"data.held_out={config.data.held_out!r}: {error}") from error


class MeasureFvd:
    """Every eval.every_kimg, measures FVD between the averaged generator and the training data (quick protocol).

    The checkpoint with the lowest FVD is kept. Process 0 measures; every process must call the hook.

    Raises:
      InputError: when constructed with eval.every_kimg above 0: too few clips, or no weights of the I3D network.
    """

    def __init__(
        self, config: RunConfig, source: Source, workdir: epath.PathLike, save: SaveCheckpoint, writer: Writer
    ):
        self._config, self._save, self._writer, self._workdir = config, save, writer, str(workdir)
        self._real: np.ndarray | None = None
        if config.eval.every_kimg and jax.process_index() == 0:
            self._protocol = protocols.PROTOCOLS["quick"]
            self._clips = RealClips(source, config.data.name or config.data.source, config.data.split, config.data.stride)
            self._selection = self._clips.select(self._protocol, 0)
            self._network = extractors.i3d_extractor(self._protocol.resize, config.eval.weights or None)

    def __call__(self, step: int, state: State) -> None:
        """Saves `state`, measures it, and logs "eval/fvd_quick", "eval/kvd_quick" and "eval/fvd_quick_frozen"."""
        if not self._config.train.due(step, self._config.eval.every_kimg):
            return
        started = time.monotonic()
        self._save.now(step, state)
        inference = families.of(self._config).inference(state)
        inference = multihost_utils.process_allgather(inference, tiled=True)
        scalars = self._numbers(inference) if jax.process_index() == 0 else {}
        fvd = float(multihost_utils.broadcast_one_to_all(np.float64(scalars.get("eval/fvd_quick", 0.0))))
        best = self._save.saved.note_fvd(step, fvd)
        if scalars:
            scalars["eval/seconds"] = time.monotonic() - started
            self._writer.write_scalars(step, scalars)
            note = f"FVD (quick) {fvd:.1f}{', the best so far' if best else ''}; real clips, frozen: "
            self._writer.write_text(step, "eval", note + f"{scalars['eval/fvd_quick_frozen']:.1f}")

    def _numbers(self, inference: Params) -> dict[str, float]:
        protocol = self._protocol
        if self._real is None:  # computed once: real features do not change
            cache = feature_cache.FeatureCache(self._network.key, feature_cache.default_folder())
            plain = feature_cache.Collector(self._network, cache)
            still = feature_cache.Collector(self._network, cache, motion.frozen)
            self._real, frozen = feature_cache.collect(self._clips.read(self._selection), [plain, still])
            self._frozen = frechet.frechet_distance(self._real, frozen)
        model = samplers.of_run(self._config, inference)
        drawn = GeneratedClips(model, self._workdir, self._config.data.frames)
        collector = feature_cache.Collector(self._network, feature_cache.FeatureCache(self._network.key))
        (fake,) = feature_cache.collect(drawn.read(np.arange(protocol.n_fake), protocol.quantise), [collector])
        return {
            "eval/fvd_quick": frechet.frechet_distance(self._real, fake),
            "eval/kvd_quick": frechet.polynomial_mmd(self._real, fake),
            "eval/fvd_quick_frozen": self._frozen,
        }
