"""The golden numbers of I3D, and the weights that they belong to."""

import ast
import functools
import zlib
from pathlib import Path

import numpy as np


@functools.cache
def golden() -> dict[str, np.ndarray]:
    with np.load(Path(__file__).parent.parent / "golden" / "i3d.npz") as file:
        return {key: file[key] for key in file.files}


def drawn_state() -> dict[str, np.ndarray]:
    """A PyTorch state dict whose every number follows from its name."""
    state = {}
    for name, shape in zip(map(str, golden()["param_names"]), golden()["param_shapes"]):
        shape = ast.literal_eval(str(shape))
        n = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
        if name.endswith("running_var"):
            n = np.exp(0.1 * n)
        elif name.endswith((".running_mean", ".bias")):
            n = 0.1 * n
        elif name.endswith(".bn.weight"):
            n = 1 + 0.1 * n
        else:
            n = n * np.sqrt(2 / np.prod(shape[1:]))
        state[name] = n.astype(np.float32)
    return state


def known_video() -> np.ndarray:
    """[1 16 224 224 3]: v[t, h, w, c] = sin(.1 (h+1)(c+1) + .3 t) cos(.07 (w+1) + .2 t)."""
    t, h, w, c = np.ogrid[:16, :224, :224, :3]
    video = np.sin(0.1 * (h + 1) * (c + 1) + 0.3 * t) * np.cos(0.07 * (w + 1) + 0.2 * t)
    return video[None].astype(np.float32)
