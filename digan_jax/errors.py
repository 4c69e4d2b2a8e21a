"""The exceptions a person meets, and the one way to recognise a full disk."""

from __future__ import annotations

import errno

FULL_DISK = ("No space left on device", "Disk quota exceeded")


class InputError(ValueError):
    """Input that cannot be used. The message says the value, the reason and the cure.

    The command line prints the message alone and exits with status 2; from Python it is an ordinary `ValueError`.
    """


class TrainingDiverged(RuntimeError):
    """A loss or a weight is no longer finite. The message says the step, the term and the last good checkpoint."""


def full_disk(error: BaseException | None) -> str | None:
    """Which of `FULL_DISK` an error, or one that led to it, says; None if it is about something else.

    Python raises OSError with an errno, TensorStore a ValueError with the words.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return FULL_DISK[error.errno == errno.EDQUOT]
        if reason := next((text for text in FULL_DISK if text in str(error)), None):
            return reason
        error = error.__cause__ or error.__context__
    return None
