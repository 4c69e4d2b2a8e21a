"""FVD, KVD and the other metrics of one set of generated clips under one protocol."""

from __future__ import annotations

import dataclasses
import functools
import itertools
from collections.abc import Callable, Iterable

import numpy as np

from digan_jax.evaluation import protocols
from digan_jax.evaluation.feature_cache import Collector, FeatureCache, Thumbnails, collect, fingerprint
from digan_jax.evaluation.features.extractors import Extractor
from digan_jax.evaluation.metrics import coverage, frechet, motion
from digan_jax.evaluation.metrics.inception_score import inception_score
from digan_jax.evaluation.protocols import Protocol, Selection
from digan_jax.evaluation.sides import FolderClips, GeneratedClips, RealClips
from digan_jax.host.progress import Progress

COVERED = 2048  # at most this many clips of each side in metrics that compare all pairs of clips
FRAMES = np.array([0, 5, 10, 15])  # frames of a clip for the metrics of single frames


@dataclasses.dataclass(frozen=True)
class Task:
    """A protocol with its real and generated clips chosen.

    Attributes:
      selected: real clips of each draw, and one more draw for the reference "real" if the protocol has a single draw.
      ids: ids of the generated clips of each draw.
    """

    name: str
    protocol: Protocol
    selected: list[Selection]
    ids: list[np.ndarray]

    @property
    def clips(self) -> int:
        """Number of clips that a network sees at most."""
        return sum(len(real.record) for real in self.selected) + sum(map(len, self.ids))


def make_task(
    name: str, protocol: Protocol, real: RealClips, fake: GeneratedClips | FolderClips, references: bool
) -> Task:
    """Chooses all clips of a protocol.

    Args:
      references: also measure frozen, shuffled and other real clips.

    Raises:
      InputError: too few clips.
    """
    again = references and protocol.draws == 1
    selected = [real.select(protocol, draw) for draw in range(protocol.draws + again)]
    ids = [protocols.choose_fakes(protocol.n_fake, fake.total, draw, protocol.draws) for draw in range(protocol.draws)]
    return Task(name, protocol, selected, ids)


class Measure:
    """Runs tasks. Features are cached by clip content; protocols share generated clips of equal draws.

    Args:
      extractor: resize mode -> the video network (I3D).
      frame_extractors: {name: network of single frames}; None: no metrics of single frames.
      cache_folder: for features; None: not saved.
      classifier: network of class probabilities for IS; None: no IS.
      progress: advanced by each clip.
    """

    def __init__(
        self,
        extractor: Callable[[str], Extractor],
        frame_extractors: dict[str, Extractor] | None = None,
        cache_folder=None,
        classifier: Extractor | None = None,
        progress: Progress = Progress(),
    ):
        self._extractor, self._classifier, self._progress = extractor, classifier, progress
        self._frames = frame_extractors or {}
        self._cache = functools.cache(lambda key: FeatureCache(key, cache_folder))
        self._drawn: dict[tuple, list] = {}

    def run(self, task: Task, real: RealClips, fake: GeneratedClips | FolderClips, references: bool = True) -> dict:
        """All metrics of a protocol, as in metrics.json."""
        p = task.protocol
        reals, fakes = [], []
        for draw, selection in enumerate(task.selected):
            extra = draw == 0 and references
            clips, what = real.read(selection, p.jpeg), f"{task.name}: real clips"
            reals.append(self._collect(what, clips, len(selection.record), p.resize, draw == 0, extra, extra))
        for draw, ids in enumerate(task.ids):
            key = (fake.name, p.quantise, p.resize, ids.tobytes(), draw == 0)
            if key not in self._drawn:
                clips = fake.read(ids, p.quantise)
                self._drawn[key] = self._collect(
                    f"{task.name}: generated clips", clips, len(ids), p.resize, draw == 0, False, True
                )
            fakes.append(self._drawn[key])
        numbers = {
            "fvd": _over_draws(frechet.frechet_distance, reals, fakes),
            "kvd": _over_draws(frechet.polynomial_mmd, reals, fakes),
            "clips": {"real": fingerprint(reals[0]["names"]), "generated": fingerprint(fakes[0]["names"])},
        }
        if references:
            others = {"real": reals[1]["video"], "frozen": reals[0]["frozen"], "shuffled": reals[0]["shuffled"]}
            numbers["references"] = {
                name: frechet.frechet_distance(reals[0]["video"], features) for name, features in others.items()
            }
        if self._classifier:
            numbers["inception_score"] = _summary([inception_score(fake["classes"]) for fake in fakes])
            numbers["inception_score"]["real"] = inception_score(reals[0]["classes"]) if references else None
        for name in self._frames:
            a, b = (x[0][name].reshape(-1, x[0][name].shape[-1]) for x in (reals, fakes))
            numbers[name] = {"frechet": frechet.frechet_distance(a, b), "kid": frechet.polynomial_mmd(a, b)}
        numbers["coverage"] = _coverage(reals[0], fakes[0])
        return numbers

    def _collect(
        self, what: str, clips: Iterable, count: int, resize: str, first: bool, changed: bool, classes: bool
    ) -> dict:
        """{"video": features, "names": digests, ...} of clips.

        With `first` (the first draw) also features of single frames and thumbnails, with `changed` the features of
        frozen and shuffled clips, with `classes` class probabilities.
        """
        network = self._extractor(resize)
        cache = self._cache(network.key)
        collectors = {"video": Collector(network, cache)}
        if changed:
            seeds = itertools.count()
            collectors["frozen"] = Collector(network, cache, motion.frozen)
            collectors["shuffled"] = Collector(network, cache, lambda clip: motion.shuffled(clip, next(seeds)))
        if classes and self._classifier:
            collectors["classes"] = Collector(self._classifier, self._cache(self._classifier.key))
        if first:
            collectors["pixels"] = Thumbnails()
            for name, judge in self._frames.items():
                collectors[name] = Collector(judge, self._cache(judge.key), lambda clip: clip[FRAMES])
        with self._progress.of(what, count, "clips") as advance:
            results = dict(zip(collectors, collect(clips, list(collectors.values()), advance)))
        return results | {"names": collectors["video"].names}


def _over_draws(distance: Callable, reals: list[dict], fakes: list[dict]) -> dict:
    return _summary([distance(real["video"], fake["video"]) for real, fake in zip(reals, fakes)])


def _summary(draws: list[float]) -> dict:
    deviation = float(np.std(draws, ddof=1)) if len(draws) > 1 else None
    return {"mean": float(np.mean(draws)), "deviation": deviation, "draws": draws}


def _coverage(real: dict, fake: dict) -> dict:
    """Precision, recall, density, coverage and nearest real clips of the first draw.

    Distances to nearest clips: Euclidean in feature space; root mean square in grey levels for pixels.
    """
    few = lambda rows: rows[np.linspace(0, len(rows) - 1, min(len(rows), COVERED)).astype(int)]
    a, b = few(real["video"]), few(fake["video"])
    precision, recall = coverage.precision_recall(a, b)
    density, covered = coverage.density_coverage(a, b)
    numbers = {"precision": precision, "recall": recall, "density": density, "coverage": covered}
    for space in ("video", "pixels"):
        scale = np.sqrt(real[space].shape[1]) if space == "pixels" else 1.0
        index, distance = coverage.nearest(few(fake[space]), real[space])
        numbers[f"nearest_{space}"] = {
            "real_clip": index.tolist(),
            "distance": (distance / scale).tolist(),
            "median": float(np.median(distance) / scale),
        }
    return numbers
