"""ONNX through jax2onnx, where that is installed; it holds Orbax at an older version than the other tests use."""

import json
import re
import subprocess
import sys

import numpy as np
import pytest

import digan_jax as digan
from digan_jax import cli, interop
from digan_jax.interop import model_folder
from digan_jax.runs.weights import Weights
from tests.interop import golden


def centres(n):
    return ((np.arange(n) + 0.5) * 2 / n - 1).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", golden.GENERATORS)
def test_any_batch_frames_and_size_in_onnxruntime(name, tmp_path):
    pytest.importorskip("jax2onnx")
    from onnxruntime import InferenceSession

    from digan_jax.interop import onnx_files

    _, state, config = golden.load(name)
    model = interop.model_from_state(state, config)
    found = Weights(model.config, model.params)
    model_folder.write(tmp_path / "model", found, 0, lambda folder: onnx_files.write(folder, found))
    sessions = {name: InferenceSession(tmp_path / "model" / f"{name}.onnx") for name in ("mapping", "smooth", "native")}
    rng = np.random.default_rng(0)
    for b, t, w, h in [(1, 2, 24, 16), (2, 1, 5, 40)]:
        z, motion = (rng.normal(size=(b, width)) for width in (config.z_dim, config.motion_dim))
        times = rng.random((b, t))
        label = np.eye(config.n_classes)[rng.integers(config.n_classes, size=b)] if config.n_classes else None
        inputs = {"z": z, "truncation": 1.0} | ({} if label is None else {"label": label})
        (content,) = sessions["mapping"].run(None, {key: np.array(value, np.float32) for key, value in inputs.items()})
        arrays = {"content": content, "motion": np.float32(motion), "times": np.float32(times)}
        for mode, grid in [("native", None), ("smooth", digan.grid(w, h))]:
            (frames,) = sessions[mode].run(None, arrays | ({"x": centres(w), "y": -centres(h)} if grid else {}))
            expected = model.generate_from_noise(z, motion, times, label, grid)
            # Another runtime: sums in another order, and coordinates that are rounded once more.
            assert golden.difference(frames, expected) < golden.TOLERANCE
    example = (tmp_path / "model" / "README.md").read_text().split("```python\n")[2].split("```")[0]
    command = [sys.executable, "-c", example + "print(clips.shape)"]
    done = subprocess.run(command, cwd=tmp_path / "model", capture_output=True, text=True)
    assert done.stdout.split() == ["(2,", "16,", "256,", "256,", "3)"], done.stderr
    assert set(json.loads((tmp_path / "model" / "config.json").read_text())["onnx"]) == {"opset", "programs"}


def test_the_library_is_an_extra(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "jax2onnx", None)
    assert cli.main(["export", "run", "--out", "model", "--format", "onnx"]) == 2
    assert re.search(r"digan-jax\[onnx\]", capsys.readouterr().err)
