"""Lists of whole numbers as people write them: 0-15 or 3,5,8-9."""

from __future__ import annotations

import re

from digan_jax.errors import InputError

MOST = 10**6  # numbers of a list


def whole_numbers(text: str) -> list[int]:
    """"0-2,5" to [0, 1, 2, 5].

    Raises:
      InputError: the text does not parse, or names too many.
    """
    numbers: list[int] = []
    for part in text.split(","):
        found = re.fullmatch(r"(\d{1,18})(?:-(\d{1,18}))?", part.strip())
        first, last = (int(found[1]), int(found[2] or found[1])) if found else (1, 0)
        if first > last:
            raise InputError(f"{text!r} is no list of whole numbers; write 5, 0-15 or 3,5,8-9")
        if len(numbers) + last - first >= MOST:
            raise InputError(f"{text!r} names more than {MOST} numbers; give fewer")
        numbers += range(first, last + 1)
    return numbers
