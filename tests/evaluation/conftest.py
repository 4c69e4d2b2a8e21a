"""Quick stand-ins for the networks: features that follow from the pixels, so that orders and distances are known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax.evaluation.features import extractors


def _features(weights, clips, rows, columns):
    """Mean colour and mean change of each clip, mixed."""
    x = clips.astype(jnp.float32) / 127.5 - 1
    change = jnp.abs(x[:, 1:] - x[:, :-1]).mean((1, 2, 3))
    return jnp.tanh(jnp.concatenate([x.mean((1, 2, 3)), change], -1) @ weights)


def _colours(weights, clips, rows, columns):
    return clips.astype(jnp.float32).mean((2, 3))


def _classes(weights, clips, rows, columns):
    """Which colour is the strongest."""
    colours = clips.astype(jnp.float32).mean((1, 2, 3))
    return jax.nn.softmax(10 * (colours - colours.max(-1, keepdims=True)))


@pytest.fixture
def quick_networks(monkeypatch):
    """In place of I3D, EfficientNet and C3D; gives the list of how many clips each call computed."""
    calls = []
    mixing = np.random.default_rng(0).standard_normal((6, 12)).astype(np.float32)

    class Counting(extractors.Extractor):
        def __call__(self, clips):
            calls.append((self.name, len(clips)))
            return super().__call__(clips)

    def i3d_extractor(resize, weights=None):
        return Counting("i3d", weights or "a" * 64, mixing, _features, 224, resize)

    monkeypatch.setattr(extractors, "i3d_extractor", i3d_extractor)
    monkeypatch.setattr(
        extractors, "efficientnet_extractor", lambda: Counting("frames", "b" * 64, {}, _colours, 224, "crop")
    )
    monkeypatch.setattr(
        extractors, "c3d_extractor", lambda weights, mean: Counting("c3d", weights + mean, {}, _classes, 128, "cubic")
    )
    return calls
