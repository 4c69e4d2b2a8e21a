"""The fast kernels. Comments give the reasons; timings in them are XLA:CPU's. Accelerators have their own forms."""

from digan_jax.kernels.fast.convolution import convolve, convolve_downsample, downsample
from digan_jax.kernels.fast.pixels import (
    ROW_MULTIPLE, concat, cost, each_frame, fourier, frames, multiply, sample, upsample,
)  # fmt: skip
from digan_jax.kernels.fast.rows import map_rows

__all__ = [
    "ROW_MULTIPLE", "concat", "convolve", "convolve_downsample", "cost", "downsample", "each_frame", "fourier",
    "frames", "map_rows", "multiply", "sample", "upsample",
]  # fmt: skip
