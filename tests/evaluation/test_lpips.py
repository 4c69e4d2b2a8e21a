import hashlib
import zlib

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.evaluation.features import lpips
from tests.interop.pickle_corpus import archive, program, short, storage_id, tensor


def drawn_state():
    """A state dict as `lpips.LPIPS(net="alex")` has it, whose every number follows from its name."""

    def draw(name, shape, deviation):
        numbers = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape)
        return (numbers * deviation).astype(np.float32)

    state = {"scaling_layer.shift": [-0.030, -0.088, -0.188], "scaling_layer.scale": [0.458, 0.448, 0.450]}
    state = {name: np.array(row, np.float32).reshape(1, 3, 1, 1) for name, row in state.items()}
    shapes = [(64, 3, 11), (192, 64, 5), (384, 192, 3), (256, 384, 3), (256, 256, 3)]
    for number, (index, (o, i, k)) in enumerate(zip((0, 3, 6, 8, 10), shapes)):
        name = f"net.slice{number + 1}.{index}"
        state[f"{name}.weight"] = draw(f"{name}.weight", (o, i, k, k), (2 / (i * k * k)) ** 0.5)
        state[f"{name}.bias"] = draw(f"{name}.bias", o, 0.1)
        lin = f"lin{number}.model.1.weight"
        state[lin] = state[f"lins.{number}.model.1.weight"] = np.abs(draw(lin, (1, o, 1, 1), 1))
    return state


@pytest.fixture(scope="module")
def state():
    return drawn_state()


def save(path, state):
    """As torch.save writes a state dict of floats."""
    entries, members = b"", []
    for number, (key, array) in enumerate(state.items()):
        strides = tuple(s // 4 for s in np.empty(array.shape, np.float32).strides)
        entries += short(key) + tensor(storage_id(str(number), array.size), 0, array.shape, strides)
        members.append((f"a/data/{number}", array.tobytes()))
    pickled = program(b"}(" + entries + b"u")
    path.write_bytes(archive([("a/data.pkl", pickled), ("a/byteorder", "little"), *members]))
    return path


def in_two(state):
    """The part of torchvision's AlexNet, with what LPIPS does not use of it, and the published linear layers."""
    backbone = {"classifier.6.bias": np.zeros(1000, np.float32)}
    for name, array in state.items():
        if name.startswith("net."):
            backbone["features." + name.split(".", 2)[2]] = array
    return backbone, {name: array for name, array in state.items() if name.startswith("lin") and "lins" not in name}


def twin(state, a, b):
    """The definition, a tap at a time in float64, of one pair of frames [h w 3]."""

    def convolved(x, name, padding, stride):
        kernel = state[f"{name}.weight"].astype(np.float64)
        k = kernel.shape[-1]
        x = np.pad(x, [(padding, padding), (padding, padding), (0, 0)])
        rows, columns = ((length - k) // stride + 1 for length in x.shape[:2])
        y = np.zeros((rows, columns, len(kernel))) + state[f"{name}.bias"]
        for i in range(k):
            for j in range(k):
                y += x[i : i + (rows - 1) * stride + 1 : stride, j : j + (columns - 1) * stride + 1 : stride] @ kernel[:, :, i, j].T
        return np.maximum(y, 0)

    def pooled(x):
        rows, columns = ((length - 3) // 2 + 1 for length in x.shape[:2])
        return np.stack([[x[2 * i : 2 * i + 3, 2 * j : 2 * j + 3].max((0, 1)) for j in range(columns)] for i in range(rows)])

    def features(x):
        shift, scale = (state[f"scaling_layer.{name}"].ravel() for name in ("shift", "scale"))
        first = convolved((x - shift) / scale, "net.slice1.0", 2, 4)
        second = convolved(pooled(first), "net.slice2.3", 2, 1)
        third = convolved(pooled(second), "net.slice3.6", 1, 1)
        fourth = convolved(third, "net.slice4.8", 1, 1)
        return [first, second, third, fourth, convolved(fourth, "net.slice5.10", 1, 1)]

    unit = lambda x: x / (np.sqrt((x**2).sum(-1, keepdims=True)) + 1e-10)
    squared = [(unit(x) - unit(y)) ** 2 for x, y in zip(features(a), features(b))]
    return sum(np.mean(x @ state[f"lin{k}.model.1.weight"].ravel()) for k, x in enumerate(squared))


def test_the_distance_is_the_definitions(state, tmp_path):
    random = np.random.default_rng(0)
    a = random.uniform(-1, 1, (2, 45, 56, 3)).astype(np.float32)
    b = np.stack([np.clip(a[0] + 0.3 * random.normal(size=a[0].shape), -1, 1), np.roll(a[1], 1, 1)]).astype(np.float32)
    file = save(tmp_path / "lpips.pth", state)
    weights, checksum = lpips.load([file])
    assert checksum == hashlib.sha256(file.read_bytes()).hexdigest()
    expected = [twin(state, x, y) for x, y in zip(a, b)]
    # Sums of float32 against float64: about 1e-6; a wrong stride, padding or normalisation moves it by tenths.
    np.testing.assert_allclose(lpips.distance(weights, a, b), expected, rtol=1e-4)
    # Of one frame twice, two programs may round sums otherwise: 1e-7 of unit features, squared.
    np.testing.assert_allclose(lpips.distance(weights, a, a), 0, atol=1e-12)


def test_two_files_are_as_good_as_one(state, tmp_path):
    files = [save(tmp_path / name, part) for name, part in zip(("alexnet.pth", "alex.pth"), in_two(state))]
    whole = lpips.load([save(tmp_path / "whole.pth", state)])[0]
    for order in (files, files[::-1]):
        parts, checksum = lpips.load(order)
        assert checksum == hashlib.sha256(b"".join(f.read_bytes() for f in order)).hexdigest()
        for found, expected in zip(parts["layers"], whole["layers"]):
            for name, value in expected.items():
                np.testing.assert_array_equal(found[name], value)
        np.testing.assert_array_equal(parts["shift"], whole["shift"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: in_two(s)[0], "x.pth: lacks lin0.model.1.weight; it is not LPIPS v0.1 on AlexNet"),
        (lambda s: in_two(s)[1], "lacks net.slice1.0.weight"),
        (lambda s: s | {"net.slice3.6.bias": s["net.slice3.6.bias"][:-1]}, r"net.slice3.6.bias has shape \(383,\), not \(384,\)"),
        (lambda s: s | {"lin0.model.1.weight": s["lin1.model.1.weight"]}, r"lin0.model.1.weight has shape \(1, 192, 1, 1\)"),
        (lambda s: s | {"scaling_layer.shift": np.zeros((1, 3, 1, 1))}, "scaling_layer.shift is"),
        (lambda s: [1], "holds no dict of weights"),
    ],
)
def test_weights_that_are_not_lpips(state, change, message, monkeypatch):
    monkeypatch.setattr(lpips, "read_torch", lambda path: change(state))
    with pytest.raises(InputError, match=message):
        lpips.load(["x.pth"])


def test_a_file_that_is_no_torch_file(tmp_path):
    (tmp_path / "x.pth").write_bytes(b"<html>")
    with pytest.raises(InputError, match="web page"):
        lpips.load([tmp_path / "x.pth"])
