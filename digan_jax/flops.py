"""Counts a function's floating-point operations from its trace, and knows what devices can do at most.

A compiler's own count depends on the compiler: XLA counts the body of a loop once, and nothing of what a vendor's
library does. A trace has every product, as often as it is computed.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import jax
from jax.extend import core


class Peak(NamedTuple):
    """Of one device, without sparsity: FLOP/s by type of the activations, and bytes/s of its memory."""

    float32: float
    bfloat16: float
    bandwidth: float

    def least(self, flops: float, bytes_moved: float, dtype: str = "bfloat16") -> float:
        """The seconds that so many FLOPs and so many bytes take at least: the longer of the two (roofline)."""
        return max(flops / getattr(self, dtype), bytes_moved / self.bandwidth)


# From the vendors' data sheets: NVIDIA H100, H200, A100 and L4 (float32: the rate of TF32, which JAX uses by default);
# Google Cloud's pages of TPU versions (float32: the rate of bfloat16, in which JAX multiplies by default).
PEAKS = {
    "NVIDIA H200": Peak(494.7e12, 989.4e12, 4.8e12),
    "NVIDIA H100 PCIe": Peak(378e12, 756e12, 2.0e12),
    "NVIDIA H100": Peak(494.7e12, 989.4e12, 3.35e12),
    "NVIDIA A100-SXM4-40GB": Peak(156e12, 312e12, 1.555e12),
    "NVIDIA A100": Peak(156e12, 312e12, 2.039e12),
    "NVIDIA L4": Peak(60e12, 121e12, 0.3e12),
    "TPU v4": Peak(275e12, 275e12, 1.228e12),
    "TPU v5 lite": Peak(197e12, 197e12, 0.819e12),  # v5e
    "TPU v5": Peak(459e12, 459e12, 2.765e12),  # v5p
    "TPU v6 lite": Peak(918e12, 918e12, 1.64e12),  # v6e
}


def peak(device_kind: str) -> Peak | None:
    """Of a device by JAX's name for it, such as "NVIDIA H100 80GB HBM3"; None if it is not known."""
    names = [name for name in PEAKS if device_kind.startswith(name)]
    return PEAKS[max(names, key=len)] if names else None


class Work(NamedTuple):
    """FLOPs of a function."""

    always: float
    more: tuple[float, ...]  # of each `lax.cond`, in order: what its costlier branch adds

    def mean(self, every: Sequence[int]) -> float:
        """FLOPs of a call on average: the i-th `lax.cond` takes its costlier branch in one of `every[i]` calls."""
        return self.always + sum(more / n for more, n in zip(self.more, every, strict=True))

    def most(self) -> float:
        """FLOPs of a call in which every `lax.cond` takes its costlier branch."""
        return self.always + sum(self.more)


def count(jaxpr: core.ClosedJaxpr | core.Jaxpr, platform: str) -> Work:
    """FLOPs of a traced function in matrix products and convolutions, two for each multiplication.

    What a backward pass computes again counts again; zeros between the pixels of a transposed convolution do not count.
    Loops of unknown length count once.

    Args:
      platform: "cpu", "cuda" or "tpu": which branch of `lax.platform_dependent` counts.
    """
    always, more = 0.0, []
    for equation in jaxpr.eqns:
        name, params = equation.primitive.name, equation.params
        within = [count(inner, platform) for inner in jax.tree.leaves(list(params.values())) if hasattr(inner, "eqns")]
        if name == "dot_general":
            always += _of_product(equation)
        elif name == "conv_general_dilated":
            always += _of_convolution(equation)
        elif name == "cond" and (platforms := params.get("branches_platforms")) is not None:
            within = [next(work for work, of in zip(within, platforms) if of is None or platform in of)]
        elif name == "cond":
            low, high = min(work.most() for work in within), max(work.most() for work in within)
            within = [Work(low, (high - low,))]
        times = params["length"] if name == "scan" else 1
        always += times * sum(work.always for work in within)
        more += [times * extra for work in within for extra in work.more]
    return Work(always, tuple(more))


def _of_product(equation) -> float:
    (contracted, _), _ = equation.params["dimension_numbers"]
    shape = equation.invars[0].aval.shape
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(shape[axis] for axis in contracted)


def _of_convolution(equation) -> float:
    kernel, of = equation.invars[1].aval.shape, equation.params
    outputs, zeros = kernel[of["dimension_numbers"].rhs_spec[0]], math.prod(of["lhs_dilation"])
    return 2.0 * math.prod(equation.outvars[0].aval.shape) * math.prod(kernel) / outputs / zeros
