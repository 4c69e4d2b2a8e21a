"""Weights, inputs and outputs of the release, in our axes."""

import ast
from pathlib import Path

import numpy as np

from digan_jax.config import ModelConfig

GOLDEN = Path(__file__).parent.parent / "golden"
GENERATORS = ("generator_64", "generator_128_cond")
CRITICS = ("discriminator_32", "discriminator_64_cond")
TOLERANCE = 1e-4  # of the standard deviation of the output, as the golden numbers ask


def load(name: str) -> tuple[dict, dict, ModelConfig]:
    """Arrays by name, state dict under the release's names, configuration."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    fields = ast.literal_eval(str(arrays["config"]))
    fields["n_classes"] = fields.pop("c_dim", 0)
    fields.pop("mbstd_group_size", None)
    state = {key.removeprefix("param/"): value for key, value in arrays.items() if key.startswith("param/")}
    return arrays, state, ModelConfig(**fields)


def channels_last(frames: np.ndarray) -> np.ndarray:
    return np.moveaxis(frames, 2, -1)


def difference(ours, golden) -> float:
    """Largest difference in units of the golden output's standard deviation."""
    return float(np.abs(np.asarray(ours) - golden).max() / golden.std())
