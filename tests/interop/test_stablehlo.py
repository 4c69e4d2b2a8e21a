"""The exported programs do what the model does, where this package is not."""

import json
import os
import subprocess
import sys

import numpy as np
import pytest

import digan_jax as digan
from digan_jax import interop
from digan_jax.config import records
from digan_jax.interop import model_folder, stablehlo
from digan_jax.runs.weights import Weights
from tests.interop import golden

RUN = """
import json, sys
import numpy as np
from jax import export
from safetensors.numpy import load_file

class Absent:
    def find_spec(self, name, *_):
        if name.split(".")[0] in ("digan_jax", "flax"):
            raise ImportError(f"{name} is not here")

sys.meta_path.insert(0, Absent())
folder = sys.argv[1]
weights = load_file(f"{folder}/model.safetensors")
read = lambda name: export.deserialize(open(f"{folder}/{name}.stablehlo", "rb").read())
programs = {name: read(name) for name in ("mapping", "smooth", "native")}
results = {}
with np.load(f"{folder}/cases.npz") as file:
    for i in range(int(file["n"])):
        z, motion, times, x, y = (file[f"{name}{i}"] for name in ("z", "motion", "times", "x", "y"))
        label = [file[f"label{i}"]] if f"label{i}" in file.files else []
        content = programs["mapping"].call(weights, z, *label, np.float32(1))
        results[f"smooth{i}"] = programs["smooth"].call(weights, content, motion, times, x, y)
        results[f"native{i}"] = programs["native"].call(weights, content, motion, times)
        half = programs["mapping"].call(weights, z, *label, np.float32(0.5))
        results[f"half{i}"] = (np.asarray(half) + 0.5 * (np.asarray(content) - weights["w_avg"])) - np.asarray(content)
np.savez(f"{folder}/results.npz", **results)
assert "digan_jax" not in sys.modules
"""
CASES = {  # clips, frames, columns, rows
    "generator_64": [(1, 2, 24, 16), (2, 1, 5, 40)],
    "generator_128_cond": [(2, 2, 12, 9)],
}


def centres(n):
    return ((np.arange(n) + 0.5) * 2 / n - 1).astype(np.float32)


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_any_batch_frames_and_size_without_this_package(name, tmp_path):
    _, state, config = golden.load(name)
    model = interop.model_from_state(state, config)
    folder = tmp_path / "model"
    found = Weights(model.config, model.params)
    model_folder.write(folder, found, 0, lambda place: stablehlo.write(place, found))
    rng, arrays = np.random.default_rng(0), {"n": len(CASES[name])}
    for i, (b, t, w, h) in enumerate(CASES[name]):
        arrays |= {f"z{i}": rng.normal(size=(b, config.z_dim)), f"motion{i}": rng.normal(size=(b, config.motion_dim))}
        arrays |= {f"times{i}": rng.uniform(-1, 2, (b, t)), f"x{i}": centres(w), f"y{i}": -centres(h)}
        if config.n_classes:
            arrays[f"label{i}"] = np.eye(config.n_classes)[rng.integers(config.n_classes, size=b)]
    arrays = {key: np.asarray(value, np.float32) for key, value in arrays.items()}
    np.savez(folder / "cases.npz", **arrays)
    quiet = {key: value for key, value in os.environ.items() if key not in ("XLA_FLAGS", "PYTHONPATH")}
    subprocess.run([sys.executable, "-c", RUN, folder], check=True, cwd=tmp_path, env=quiet)
    results = np.load(folder / "results.npz")
    for i, (b, t, w, h) in enumerate(CASES[name]):
        noise = [arrays[f"{key}{i}"] for key in ("z", "motion", "times")] + [arrays.get(f"label{i}")]
        for mode, grid in (("native", None), ("smooth", digan.grid(w, h))):
            expected = model.generate_from_noise(*noise, grid=grid)
            # Another program: sums in another order, and coordinates that are rounded once more.
            assert golden.difference(results[f"{mode}{i}"], expected) < golden.TOLERANCE
        assert np.abs(results[f"half{i}"]).max() < 1e-5  # truncation is linear in the content; float32


def test_the_programs_are_described(tmp_path, tiny_config, tiny_params):
    found = Weights(tiny_config, tiny_params)
    model_folder.write(tmp_path / "model", found, 0, lambda place: stablehlo.write(place, found))
    record = json.loads((tmp_path / "model" / "config.json").read_text())
    assert record["format"] == records.FORMAT and record["stablehlo"]["calling_convention"] >= 9
    assert record["stablehlo"]["programs"]["smooth"] == {
        "takes": {"content": "b 8 16", "motion": "b 16", "times": "b t", "x": "w", "y": "h"},
        "gives": {"frames": "b t h w 3"},
    }
    for name, program in stablehlo.exported(found).items():
        ((words),) = record["stablehlo"]["programs"][name]["gives"].values()
        assert words.split() == [str(length) for length in program.out_avals[0].shape]
    card = (tmp_path / "model" / "README.md").read_text()
    example = card.split("```python\n")[2].split("```")[0]
    done = subprocess.run(
        [sys.executable, "-c", example + "print(clips.shape)"], cwd=tmp_path / "model", capture_output=True, text=True
    )
    assert done.stdout.split() == ["(2,", "16,", "256,", "256,", "3)"], done.stderr
    digan.load(tmp_path / "model")
    for path in (tmp_path / "model").glob("*.stablehlo"):
        content = path.read_bytes()
        assert b"layers.py" in content  # operations say where they are from, without the folders of this machine
        assert os.path.dirname(stablehlo.__file__).encode() not in content and b"/digan_jax/" not in content
