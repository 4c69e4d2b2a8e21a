"""VIDM's golden numbers, channels last."""

import ast

import numpy as np

from digan_jax.config.vidm import VidmConfig
from tests.interop.golden import GOLDEN


def load(name: str) -> tuple[dict, dict, dict]:
    """Arrays by name, state dict under the release's names, fields of the configuration."""
    with np.load(GOLDEN / f"{name}.npz") as file:
        arrays = {key: file[key] for key in file.files}
    state = {key.removeprefix("param/"): value for key, value in arrays.items() if key.startswith("param/")}
    return arrays, state, ast.literal_eval(str(arrays["config"]))


def model_of(fields: dict, **changes) -> VidmConfig:
    """Our configuration of a golden network. Its motion input is given, with two channels, as those of flow."""
    return VidmConfig(
        **{
            "resolution": fields.get("resolution", 16),
            "width": fields["model_channels"],
            "multipliers": tuple(fields["channel_mult"]),
            "blocks": fields["num_res_blocks"],
            "attention": tuple(fields["attention_downsample"]),
            "head_width": fields["head_channels"],
            "frames": fields["video_frames"],
            "diffusion_steps": fields["diffusion_steps"],
            "motion_input": "flow",
            "sampling_steps": "ddim4",
            **changes,
        }
    )


def last(x: np.ndarray) -> np.ndarray:
    """[... c h w] to [... h w c]."""
    return np.moveaxis(x, -3, -1)


def difference(ours, golden: np.ndarray) -> float:
    """Largest difference in units of the golden tensor's standard deviation; `golden` is [... c h w]."""
    return float(np.abs(np.asarray(ours) - last(golden)).max() / golden.std())
