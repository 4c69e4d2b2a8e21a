import zlib

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.evaluation import resizing
from digan_jax.evaluation.features import extractors, inception


def drawn_state():
    """A state dict whose every number follows from its name."""

    def draw(name, shape, make):
        return make(np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32))

    state = {}
    for layer, (h, w, i, o) in inception._LAYERS.items():
        scaled = lambda n: (n * np.sqrt(2 / (i * h * w))).astype(np.float32)
        state[f"{layer}.conv.weight"] = draw(f"{layer}.conv.weight", (o, i, h, w), scaled)
        for key in ("bias", "running_mean"):
            state[f"{layer}.bn.{key}"] = draw(f"{layer}.bn.{key}", (o,), lambda n: 0.1 * n)
        state[f"{layer}.bn.weight"] = draw(f"{layer}.bn.weight", (o,), lambda n: 1 + 0.1 * n)
        state[f"{layer}.bn.running_var"] = draw(f"{layer}.bn.running_var", (o,), lambda n: np.exp(0.1 * n))
    return state


def test_features_are_those_of_fid_tools(monkeypatch, tmp_path):
    """Numbers that pytorch-fid 0.3.0 gave for these weights and frames, from uint8 and 48x64 on."""
    file = tmp_path / "weights.pth"
    file.write_bytes(b"stands in for the file")
    monkeypatch.setattr(inception, "read_torch", lambda path: drawn_state())
    t, h, w, c = np.ogrid[:2, :48, :64, :3]
    wave = np.sin(0.2 * (h + 1) * (c + 1) + 0.3 * t) * np.cos(0.15 * (w + 1) + 0.2 * t)
    clip = np.rint(127.5 + 127 * wave).astype(np.uint8)[None]
    network = extractors.inception_extractor(str(file))
    rows, columns = resizing.matrices(48, 64, network.size, network.resize)
    (found,) = np.asarray(network.apply(network.weights, clip, rows, columns))  # on one device, not on all
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), [47.2706070, 47.1720390], rtol=1e-5)
    # 94 layers of float32 in another order of sums: about 1e-6.
    np.testing.assert_allclose(found[0, :4], [2.80571771, 0.13525623, 0.03626165, 0.70867032], rtol=1e-4)
    assert found[1].argmax() == 2044
    np.testing.assert_allclose(np.linalg.norm(found[0] - found[1]), 0.67778909, rtol=1e-3)


def test_weights_that_are_not_fids(monkeypatch):
    state = drawn_state()
    name = "Mixed_6b.branch7x7_2.conv.weight"
    for content, message in [
        ({k: v for k, v in state.items() if k != name}, f"lacks {name}; it is not the Inception of FID"),
        (state | {name: state[name].swapaxes(2, 3)}, f"{name} has shape"),
        ({}, "not the Inception of FID"),
        ([1], "no dict of weights"),
    ]:
        monkeypatch.setattr(inception, "read_torch", lambda path: content)
        with pytest.raises(InputError, match=message):
            inception.load("x.pth")
