"""Exceptions for users, and the test for a full disk."""

from __future__ import annotations

import errno

FULL_DISK = ("No space left on device", "Disk quota exceeded")


class InputError(ValueError):
    """Invalid input. The message gives the value, the reason and the cure.

    The command line prints the message without a traceback and exits with status 2; in Python it is a `ValueError`.
    """


class TrainingDiverged(RuntimeError):
    """A loss or a weight is not finite. The message gives the step, the term and the last good checkpoint."""


def full_disk(error: BaseException | None) -> str | None:
    """The entry of `FULL_DISK` that an error or one of its causes reports; None for any other error.

    Python raises OSError with an errno; TensorStore raises ValueError with the text in its message.
    """
    while error is not None:
        if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT):
            return FULL_DISK[error.errno == errno.EDQUOT]
        if reason := next((text for text in FULL_DISK if text in str(error)), None):
            return reason
        error = error.__cause__ or error.__context__
    return None
