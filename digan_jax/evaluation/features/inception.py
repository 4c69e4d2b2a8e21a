"""The Inception v3 of FID (Szegedy et al., CVPR 2016; Heusel et al. 2017): pooled features [2048] with the weights
pt_inception-2015-12-05, which the user supplies.

It differs from the classifier: average pooling excludes padding from the mean, and the last block uses max pooling.
Inference only; batch norm is folded. Weights are {"Mixed_5b.branch1x1": {"kernel" [h w i o], "bias"}, ...}.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from etils import epath
from jax import lax, nn
from jaxtyping import Float

from digan_jax.host.pickles.restricted import read_torch
from digan_jax.pretrained import states
from digan_jax.pretrained.packaged import checksum
from digan_jax.shapes import Array

SIZE = 299  # pixels a side
WIDTH = 2048  # features
_EPSILON = 1e-3  # of batch norm

Maps = Float[Array, "n _ _ _"]  # frames, rows, columns, channels


def load(path: epath.PathLike) -> tuple[dict, str]:
    """Folded weights of a PyTorch state dict, and the file's sha256.

    Raises:
      InputError: a file that is missing, damaged, or not the Inception of FID.
    """
    state, weights = read_torch(path), {}
    for name, (h, w, i, o) in _LAYERS.items():
        wanted = states.convolution_and_norm(f"{name}.conv", f"{name}.bn", (o, i, h, w))
        kernel, *norm = states.checked(state, wanted, path, "the Inception of FID, pt_inception-2015-12-05").values()
        weights[name] = states.fold(np.moveaxis(kernel, (0, 1), (3, 2)), *norm, _EPSILON)  # [o i h w] -> [h w i o]
    return weights, checksum(path)


def _max_pool(x: Maps, stride: int = 2, padding: str = "VALID") -> Maps:
    return lax.reduce_window(x, -jnp.inf, lax.max, (1, 3, 3, 1), (1, stride, stride, 1), padding)


def _mean_pool(x: Maps) -> Maps:
    """3x3 average pooling that excludes padding from the mean."""
    window = (1, 3, 3, 1), (1, 1, 1, 1), "SAME"
    count = lax.reduce_window(jnp.ones((1, *x.shape[1:3], 1), x.dtype), 0.0, lax.add, *window)
    return lax.reduce_window(x, 0.0, lax.add, *window) / count


class _Net:
    """Layers by name: `conv("Mixed_5b.branch1x1", x)` is a convolution with batch norm and ReLU."""

    def __init__(self, weights: dict):
        self._weights = weights

    def __call__(self, name: str, x: Maps, stride: int = 1, padding: str = "SAME") -> Maps:
        layer = self._weights[name]
        layout = ("NHWC", "HWIO", "NHWC")
        y = lax.conv_general_dilated(x, layer["kernel"], (stride, stride), padding, dimension_numbers=layout)
        return nn.relu(y + layer["bias"].reshape(1, 1, 1, -1))

    def chain(self, block: str, names: str, x: Maps, last_stride: int = 1) -> Maps:
        *first, last = names.split()
        for name in first:
            x = self(f"{block}.{name}", x)
        return self(f"{block}.{last}", x, last_stride, "SAME" if last_stride == 1 else "VALID")


def _cat(*branches: Maps) -> Maps:
    return jnp.concatenate(branches, -1)


def _block_a(conv: _Net, name: str, x: Maps) -> Maps:
    return _cat(
        conv.chain(name, "branch1x1", x),
        conv.chain(name, "branch5x5_1 branch5x5_2", x),
        conv.chain(name, "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", x),
        conv.chain(name, "branch_pool", _mean_pool(x)),
    )


def _block_b(conv: _Net, name: str, x: Maps) -> Maps:
    double = conv.chain(name, "branch3x3dbl_1 branch3x3dbl_2 branch3x3dbl_3", x, last_stride=2)
    return _cat(conv.chain(name, "branch3x3", x, last_stride=2), double, _max_pool(x))


def _block_c(conv: _Net, name: str, x: Maps) -> Maps:
    return _cat(
        conv.chain(name, "branch1x1", x),
        conv.chain(name, "branch7x7_1 branch7x7_2 branch7x7_3", x),
        conv.chain(name, " ".join(f"branch7x7dbl_{i}" for i in range(1, 6)), x),
        conv.chain(name, "branch_pool", _mean_pool(x)),
    )


def _block_d(conv: _Net, name: str, x: Maps) -> Maps:
    seven = conv.chain(name, " ".join(f"branch7x7x3_{i}" for i in range(1, 5)), x, last_stride=2)
    return _cat(conv.chain(name, "branch3x3_1 branch3x3_2", x, last_stride=2), seven, _max_pool(x))


def _block_e(conv: _Net, name: str, x: Maps, pooled: Maps) -> Maps:
    three = conv.chain(name, "branch3x3_1", x)
    double = conv.chain(name, "branch3x3dbl_1 branch3x3dbl_2", x)
    return _cat(
        conv.chain(name, "branch1x1", x),
        *(conv.chain(name, f"branch3x3_2{side}", three) for side in "ab"),
        *(conv.chain(name, f"branch3x3dbl_3{side}", double) for side in "ab"),
        conv.chain(name, "branch_pool", pooled),
    )


def features(weights: dict, frames: Float[Array, "n 299 299 3"]) -> Float[Array, "n 2048"]:
    """Pooled features of frames in [-1, 1]."""
    conv = _Net(weights)
    x = conv("Conv2d_1a_3x3", frames, 2, "VALID")
    x = conv("Conv2d_2b_3x3", conv("Conv2d_2a_3x3", x, 1, "VALID"))
    x = conv("Conv2d_4a_3x3", conv("Conv2d_3b_1x1", _max_pool(x)), 1, "VALID")
    x = _max_pool(x)
    for name in ("Mixed_5b", "Mixed_5c", "Mixed_5d"):
        x = _block_a(conv, name, x)
    x = _block_b(conv, "Mixed_6a", x)
    for name in ("Mixed_6b", "Mixed_6c", "Mixed_6d", "Mixed_6e"):
        x = _block_c(conv, name, x)
    x = _block_d(conv, "Mixed_7a", x)
    x = _block_e(conv, "Mixed_7b", x, _mean_pool(x))
    x = _block_e(conv, "Mixed_7c", x, _max_pool(x, 1, "SAME"))
    return x.mean((1, 2))


def _layers() -> dict[str, tuple[int, int, int, int]]:
    """Kernel shape [h w i o] of each convolution."""
    found = {
        "Conv2d_1a_3x3": (3, 3, 3, 32),
        "Conv2d_2a_3x3": (3, 3, 32, 32),
        "Conv2d_2b_3x3": (3, 3, 32, 64),
        "Conv2d_3b_1x1": (1, 1, 64, 80),
        "Conv2d_4a_3x3": (3, 3, 80, 192),
    }
    three_double = {"branch3x3dbl_2": (3, 3, 64, 96), "branch3x3dbl_3": (3, 3, 96, 96)}
    for name, i, pooled in (("5b", 192, 32), ("5c", 256, 64), ("5d", 288, 64)):
        block = {"branch1x1": (1, 1, i, 64), "branch5x5_1": (1, 1, i, 48), "branch5x5_2": (5, 5, 48, 64)}
        block |= {"branch3x3dbl_1": (1, 1, i, 64), **three_double, "branch_pool": (1, 1, i, pooled)}
        found |= {f"Mixed_{name}.{key}": shape for key, shape in block.items()}
    block = {"branch3x3": (3, 3, 288, 384), "branch3x3dbl_1": (1, 1, 288, 64), **three_double}
    found |= {f"Mixed_6a.{key}": shape for key, shape in block.items()}
    for name, c in (("6b", 128), ("6c", 160), ("6d", 160), ("6e", 192)):
        block = {"branch1x1": (1, 1, 768, 192), "branch7x7_1": (1, 1, 768, c), "branch7x7_2": (1, 7, c, c)}
        block |= {"branch7x7_3": (7, 1, c, 192), "branch7x7dbl_1": (1, 1, 768, c), "branch7x7dbl_2": (7, 1, c, c)}
        block |= {"branch7x7dbl_3": (1, 7, c, c), "branch7x7dbl_4": (7, 1, c, c), "branch7x7dbl_5": (1, 7, c, 192)}
        found |= {f"Mixed_{name}.{key}": shape for key, shape in (block | {"branch_pool": (1, 1, 768, 192)}).items()}
    block = {"branch3x3_1": (1, 1, 768, 192), "branch3x3_2": (3, 3, 192, 320), "branch7x7x3_1": (1, 1, 768, 192)}
    block |= {"branch7x7x3_2": (1, 7, 192, 192), "branch7x7x3_3": (7, 1, 192, 192), "branch7x7x3_4": (3, 3, 192, 192)}
    found |= {f"Mixed_7a.{key}": shape for key, shape in block.items()}
    for name, i in (("7b", 1280), ("7c", 2048)):
        block = {"branch1x1": (1, 1, i, 320), "branch3x3_1": (1, 1, i, 384)}
        block |= {"branch3x3_2a": (1, 3, 384, 384), "branch3x3_2b": (3, 1, 384, 384)}
        block |= {"branch3x3dbl_1": (1, 1, i, 448), "branch3x3dbl_2": (3, 3, 448, 384)}
        block |= {"branch3x3dbl_3a": (1, 3, 384, 384), "branch3x3dbl_3b": (3, 1, 384, 384)}
        found |= {f"Mixed_{name}.{key}": shape for key, shape in (block | {"branch_pool": (1, 1, i, 192)}).items()}
    return found


_LAYERS = _layers()
