"""Counts a function's floating-point operations from its trace, a compiled program's memory traffic from its text, and
knows what devices can do at most.

A compiler's own count depends on the compiler: XLA counts the body of a loop once, and nothing of what a vendor's
library does. A trace has every product, as often as it is computed.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
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
    """FLOPs of a function, or bytes that a program moves."""

    always: float
    more: tuple[float, ...]  # of each `lax.cond`, in order: what its costlier branch adds

    def mean(self, every: Sequence[int]) -> float:
        """Of a call on average: the i-th `lax.cond` takes its costlier branch in one of `every[i]` calls."""
        return self.always + sum(more / n for more, n in zip(self.more, every, strict=True))

    def most(self) -> float:
        """Of a call in which every `lax.cond` takes its costlier branch."""
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


# ---- compiled programs, as the text of `jax.stages.Compiled.as_text`

_BYTES = {"c64": 8, "c128": 16, "pred": 1}  # of types that do not end in their number of bits
_MOVES_NOTHING = {"parameter", "constant", "tuple", "get-tuple-element", "bitcast", "after-all", "partition-id"}
_INSTRUCTION = re.compile(r"\s+(?:ROOT )?%([\w.-]+) = (.*?) ([a-z][\w-]*)\(([^)]*)")


def bytes_moved(text: str) -> Work:
    """Bytes that one device reads from and writes to its main memory in a compiled program.

    Operands and results of each operation count whole and once; arrays that stay in a TPU's vector memory do not. So a
    part read from an array counts as the whole array. XLA's own count ("bytes accessed") also has what moves within the
    chip, and the costlier branch of each `lax.cond` always. Loops of unknown length count once.

    Args:
      text: of a scheduled program, for one device.
    """
    programs: dict[str, list[str]] = {}
    lines: list[str] = []
    for line in text.splitlines():
        if line.endswith("{") and (begun := re.match(r"(ENTRY )?%?([\w.-]+) \(", line)):
            lines = programs.setdefault("" if begun[1] else begun[2], [])
        elif _INSTRUCTION.match(line):
            lines.append(line)
    return _traffic(programs, "")


def array_bytes(kind: str) -> Iterator[tuple[int, int]]:
    """(bytes, memory space) of each array in a type of a compiled program. Space 0 is the main memory.

    "(bf16[8,128]{1,0:T(8,128)S(1)}, f32[])" has (2048, 1) and (4, 0).
    """
    for name, shape, layout in re.findall(r"\b([a-z]+\d*)\w*\[([\d,]*)\](?:\{([^}]*)\})?", kind):
        if name in _BYTES or re.search(r"\d", name):
            size = _BYTES.get(name) or max(1, int(re.search(r"\d+", name)[0]) // 8)
            space = re.search(r"S\((\d+)\)", layout)
            yield size * math.prod(int(n) for n in shape.split(",") if n), int(space[1]) if space else 0


def _traffic(programs: dict[str, list[str]], name: str) -> Work:
    main = lambda kind: sum(size for size, space in array_bytes(kind) if space == 0)
    always, more, kinds = 0.0, [], {}
    for line in programs[name]:
        result, kind, operation, operands = _INSTRUCTION.match(line).groups()
        kinds[result] = kind
        if operation in ("while", "conditional", "call"):
            within = [_traffic(programs, inner) for inner in _called(line)]
            times = int(known[1]) if (known := re.search(r'known_trip_count":\{"n":"(\d+)"', line)) else 1
            low, high = min(work.most() for work in within), max(work.most() for work in within)
            if operation == "conditional":
                within = [Work(low, (high - low,))]
            always += times * sum(work.always for work in within)
            more += [times * extra for work in within for extra in work.more]
        elif operation in ("copy-start", "slice-start"):  # (to, from, ...): from another memory or into it
            (size, to), (_, start), *_ = array_bytes(kind)
            always += size * ((to == 0) + (start == 0))
        elif operation not in _MOVES_NOTHING | {"copy-done", "slice-done"}:
            if not operation.endswith("-done"):
                always += sum(main(kinds[operand]) for operand in re.findall(r"%([\w.-]+)", operands))
            if not operation.endswith("-start"):
                always += main(kind)
    return Work(always, tuple(more))


def _called(line: str) -> list[str]:
    """The programs that a loop, branch or call runs; a loop's condition moves next to nothing."""
    kinds = "body|to_apply|true_computation|false_computation"
    several = re.findall(r"branch_computations=\{([^}]*)\}", line)
    named = [name.strip(" %") for names in several for name in names.split(",")]
    return named + re.findall(rf"(?:{kinds})=%?([\w.-]+)", line)
