"""Feature extractors: uint8 clips in, a row of features per clip or frame out, on all local devices.

An extractor's `key` names everything besides pixels that its features depend on, for the cache.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Callable

import jax
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec
from jaxtyping import Float, Real, UInt8

from digan_jax import devices
from digan_jax.evaluation import resizing
from digan_jax.evaluation.features import c3d, i3d, i3d_weights, inception
from digan_jax.pretrained import efficientnet, efficientnet_weights
from digan_jax.shapes import Array

VERSION = 1  # increase when the arithmetic changes, to invalidate cached features


@dataclasses.dataclass(frozen=True)
class Extractor:
    """A network with its weights that turns clips into features.

    Attributes:
      name: network and layer.
      checksum: sha256 of the file of weights.
      weights: replicated on every local device.
      apply: (weights, clips uint8 [n t h w 3], rows, columns) -> [n d] or [n k d]; rows and columns are the matrices
        of `resizing.matrices`.
      size: input size of the network, in pixels a side.
      resize: resize mode, "crop", "squash" or "cubic".
      batch_per_device: clips per device in one pass.
    """

    name: str
    checksum: str
    weights: dict
    apply: Callable
    size: int
    resize: str
    batch_per_device: int = 4

    @property
    def key(self) -> str:
        """Name of everything besides pixels that the features depend on."""
        return f"{self.name}-{self.resize}-{self.checksum[:16]}-v{VERSION}"

    @property
    def batch(self) -> int:
        return self.batch_per_device * devices.local_mesh().size

    def __call__(self, clips: Real[np.ndarray, "n t h w 3"]) -> Float[np.ndarray, "n *d"]:
        """Features of any number of clips, `batch` at a time. The last batch is padded, so one program serves all."""
        starts, mesh = range(0, len(clips), self.batch), NamedSharding(devices.local_mesh(), PartitionSpec("data"))
        rows, columns = resizing.matrices(*clips.shape[2:4], self.size, self.resize)
        features = []
        for start in starts:
            padded = clips[np.minimum(np.arange(start, start + self.batch), len(clips) - 1)]
            features.append(np.asarray(self.apply(self.weights, jax.device_put(padded, mesh), rows, columns)))
        return np.concatenate(features)[: len(clips)]

    def for_few(self, n: int) -> Extractor:
        """The same extractor with a batch no larger than `n` clips need."""
        needed = -(-n // devices.local_mesh().size)
        return dataclasses.replace(self, batch_per_device=min(self.batch_per_device, needed))


@jax.jit
def _i3d_logits(weights: dict, clips: UInt8[Array, "n t h w 3"], rows: Array, columns: Array) -> Float[Array, "n 400"]:
    with jax.default_matmul_precision("highest"):
        return i3d.compiled_logits(weights, resizing.resize(clips, rows, columns) / 127.5 - 1)


def _i3d_logits_of_video(weights: dict, video: Float[Array, "n t 224 224 3"], *_) -> Float[Array, "n 400"]:
    return i3d.compiled_logits(weights, video)


def i3d_extractor(resize: str, weights: str | None = None) -> Extractor:
    """I3D logits [400] of each clip, the features of FVD and KVD. `weights` as in `i3d_weights.load`.

    Raises:
      InputError: weights that are missing, damaged or not I3D's.
    """
    placed, checksum = _placed_i3d(weights)
    return Extractor("i3d_kinetics400_logits", checksum, placed, _i3d_logits, i3d.SIZE, resize)


def i3d_logits(video: np.ndarray, weights: str | None, batch: int) -> Float[np.ndarray, "n 400"]:
    """I3D logits of video that is already resized; see `features.i3d_logits`."""
    i3d.check(video)
    network = dataclasses.replace(i3d_extractor("crop", weights), apply=_i3d_logits_of_video, batch_per_device=batch)
    return network.for_few(len(video))(video)


@functools.lru_cache(maxsize=1)  # protocols share one copy on the devices
def _placed_i3d(weights: str | None) -> tuple[dict, str]:
    return devices.replicate(i3d_weights.load(weights)), i3d_weights.checksum(weights)


def _of_frames(features: Callable, to_input: Callable, weights: dict, clips, rows, columns) -> Float[Array, "n t f"]:
    with jax.default_matmul_precision("highest"):
        frames = to_input(resizing.resize(clips, rows, columns))
        n, t = frames.shape[:2]
        return features(weights, frames.reshape(n * t, *frames.shape[2:])).reshape(n, t, -1)


_efficientnet = jax.jit(functools.partial(_of_frames, efficientnet.features, lambda x: x))
_inception = jax.jit(functools.partial(_of_frames, inception.features, lambda x: x / 127.5 - 1))


def efficientnet_extractor(weights: str | None = None) -> Extractor:
    """EfficientNet-Lite0 features [t 1280] of each frame.

    Raises:
      InputError: weights that are missing, damaged or not EfficientNet-Lite0's.
    """
    placed = devices.replicate(efficientnet_weights.load(weights))
    checksum = efficientnet_weights.SOURCE.sha256
    return Extractor("efficientnet_lite0", checksum, placed, _efficientnet, efficientnet.SIZE, "crop")


def inception_extractor(weights: str) -> Extractor:
    """Inception features [t 2048] of each frame, squashed to 299 pixels: their Fréchet distance is FID.

    Raises:
      InputError: weights that are missing, damaged or not those of FID.
    """
    tree, checksum = inception.load(weights)
    return Extractor("fid_inception", checksum, devices.replicate(tree), _inception, inception.SIZE, "squash")


@jax.jit
def _c3d(weights: dict, clips: UInt8[Array, "n 16 h w 3"], rows: Array, columns: Array) -> Float[Array, "n c"]:
    with jax.default_matmul_precision("highest"):
        return c3d.probabilities(weights, resizing.resize(clips, rows, columns))


def c3d_extractor(weights: str, mean: str) -> Extractor:
    """Probabilities of the 101 classes of UCF-101 for each clip, for the Inception Score (IS).

    Raises:
      InputError: files that are missing, damaged or not the C3D of TGAN's evaluation.
    """
    tree, checksum = c3d.load(weights, mean)
    return Extractor("c3d_ucf101", checksum, devices.replicate(tree), _c3d, c3d.RESIZED, "cubic")
