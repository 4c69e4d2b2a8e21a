"""Lossless coding of small whole numbers: an adaptive binary range coder (Martin 1979; the form of LZMA), whose contexts
are the numbers around each number, as in the coders of pictures. All of it is whole-number arithmetic, the same anywhere.

A number is coded as the length of its magnitude in bits, in unary, then its bits below the first, then its sign. Each of
these decisions but the lower bits has a probability, learned by counting, for each context.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

import numpy as np
from jaxtyping import Int8

ONE = 1 << 16  # probabilities are whole numbers of 1 / ONE
LIMIT = 60  # decisions that a probability remembers, about
TOP, WORD = 1 << 24, (1 << 32) - 1
LEVELS = (0, 1, 2, 3, 4, 5, 6, 6, 7, 7, 8, 8, 8, 9, 9, 9, 9, 9)  # contexts by what lies around; more: 10
CONTEXTS = 11
Numbers = Int8[np.ndarray, "..."]


def encode(arrays: Sequence[Numbers]) -> bytes:
    """The code of arrays with numbers in [-127, 127]; see `decode`."""
    coder = _Encoder()
    for array in arrays:
        flat = array.ravel().tolist()
        model = _Model()
        for at, context, sign in _contexts(array.shape, flat):
            model.write(coder, flat[at], context, sign)
    return coder.finish()


def decode(code: bytes, shapes: Sequence[tuple[int, ...]]) -> list[Numbers]:
    """The arrays of `encode`, of these shapes. Of damaged code, any numbers.

    Axes of four-dimensional arrays are times, rows, columns and channels, whose neighbours are alike.
    """
    coder, arrays = _Decoder(code), []
    for shape in shapes:
        flat = [0] * math.prod(shape)
        model = _Model()
        for at, context, sign in _contexts(shape, flat):
            flat[at] = model.read(coder, context, sign)
        arrays.append(np.array(flat).clip(-127, 127).astype(np.int8).reshape(shape))
    return arrays


def _contexts(shape: tuple[int, ...], flat: list[int]) -> Iterator[tuple[int, int, int]]:
    """(place, context of the magnitude, context of the sign) of each number, which may be in `flat` only afterwards."""
    if len(shape) != 4:
        yield from ((at, 0, 0) for at in range(math.prod(shape)))
        return
    _, rows, columns, channels = shape
    row, frame = columns * channels, rows * columns * channels
    for at in range(math.prod(shape)):
        left = flat[at - channels] if at % row >= channels else 0
        above = flat[at - row] if at % frame >= row else 0
        before = flat[at - frame] if at >= frame else 0
        beside = flat[at - 1] if at % channels else 0
        around = (3 * (abs(left) + abs(above) + abs(before)) + abs(beside) + 1) // 2
        leaning = left + above + before
        yield at, LEVELS[around] if around < len(LEVELS) else CONTEXTS - 1, (leaning > 0) - (leaning < 0) + 1


class _Model:
    """Probabilities of an array's decisions: [probability that it is 0, decisions so far] by (kind, context)."""

    def __init__(self):
        self._of = {}

    def _at(self, *key) -> list[int]:
        return self._of.setdefault(key, [ONE // 2, 0])

    def write(self, coder: _Encoder, number: int, context: int, sign: int) -> None:
        magnitude = abs(number)
        length = magnitude.bit_length()
        for k in range(length):
            coder.write(self._at(k, context), 1)
        if length < 7:
            coder.write(self._at(length, context), 0)
        for place in range(length - 2, -1, -1):
            kind = self._at("first", length) if place == length - 2 else None
            coder.write(kind, magnitude >> place & 1)
        if magnitude:
            coder.write(self._at("sign", sign), int(number < 0))

    def read(self, coder: _Decoder, context: int, sign: int) -> int:
        length = 0
        while length < 7 and coder.read(self._at(length, context)):
            length += 1
        magnitude = 1 if length else 0
        for place in range(length - 2, -1, -1):
            kind = self._at("first", length) if place == length - 2 else None
            magnitude = 2 * magnitude + coder.read(kind)
        return -magnitude if magnitude and coder.read(self._at("sign", sign)) else magnitude


def _learn(of: list[int], bit: int) -> None:
    """Moves the probability of 0 towards what was seen, by less the more was seen."""
    probability, count = of
    probability += 2 * ((0 if bit else ONE) - probability) // (2 * count + 3)
    of[0], of[1] = min(max(probability, 64), ONE - 64), min(count + 1, LIMIT)


class _Encoder:
    def __init__(self):
        self._low, self._range, self._first, self._waiting, self._out = 0, WORD, 0, 0, bytearray()

    def write(self, of: list[int] | None, bit: int) -> None:
        """Codes a decision by its probability; None: both are equally likely."""
        bound = (self._range >> 16) * (of[0] if of else ONE // 2)
        if bit:
            self._low, self._range = self._low + bound, self._range - bound
        else:
            self._range = bound
        if of:
            _learn(of, bit)
        while self._range < TOP:
            self._range = self._range << 8 & WORD
            self._shift()

    def _shift(self) -> None:
        """Moves the highest byte out, once no carry can change it any more."""
        if self._low < 0xFF000000 or self._low > WORD:
            carry = self._low >> 32
            self._out += bytes([self._first + carry & 255]) + bytes([255 + carry & 255]) * self._waiting
            self._first, self._waiting = self._low >> 24 & 255, 0
        else:
            self._waiting += 1
        self._low = self._low << 8 & WORD

    def finish(self) -> bytes:
        """The code. Zeros at its end are left out: a decoder reads zeros there."""
        for _ in range(5):
            self._shift()
        return bytes(self._out[1:]).rstrip(b"\0")


class _Decoder:
    def __init__(self, code: bytes):
        self._rest, self._range = iter(code), WORD
        self._code = int.from_bytes(bytes(next(self._rest, 0) for _ in range(4)), "big")

    def read(self, of: list[int] | None) -> int:
        bound = (self._range >> 16) * (of[0] if of else ONE // 2)
        bit = int(self._code >= bound)
        if bit:
            self._code, self._range = self._code - bound, self._range - bound
        else:
            self._range = bound
        if of:
            _learn(of, bit)
        while self._range < TOP:
            self._range = self._range << 8 & WORD
            self._code = (self._code << 8 | next(self._rest, 0)) & WORD
        return bit
