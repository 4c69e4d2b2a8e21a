"""The functions of `programs` as ONNX files with weights, through jax2onnx (extra [onnx]).

Batch size, frame count and frame size are free.
"""

from __future__ import annotations

from etils import epath

from digan_jax.errors import InputError
from digan_jax.interop import programs
from digan_jax.runs.weights import Weights
from digan_jax.shapes import leaves

OPSET = 21  # supported by ONNX runtimes since 2024


def require_library():
    """The module `jax2onnx`. Raises `InputError` if it is not installed."""
    try:
        import jax2onnx
    except ImportError:
        raise InputError('ONNX needs a library; install it with: pip install "digan-jax[onnx]"') from None
    return jax2onnx


def write(folder: epath.PathLike, weights: Weights) -> dict:
    """Writes mapping.onnx, smooth.onnx and native.onnx, always float32; returns their entry for config.json."""
    library = require_library()
    functions = programs.functions(weights.config)
    flat = leaves(weights.params)
    for name, shapes in programs.inputs(weights.config).items():
        call = lambda *arguments, function=functions[name]: function(flat, *arguments)
        model = library.to_onnx(
            call,
            list(shapes.values()),
            model_name=name,
            opset=OPSET,
            input_names=list(shapes),
            output_names=[programs.RESULTS[name]],
        )
        (epath.Path(folder) / f"{name}.onnx").write_bytes(model.SerializeToString())
    return {"onnx": {"opset": OPSET, "programs": programs.described(weights.config)}}
