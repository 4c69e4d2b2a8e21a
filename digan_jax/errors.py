"""Exceptions for users, and what the system refuses in one sentence."""

from __future__ import annotations

import errno

FULL_DISK = ("No space left on device", "Disk quota exceeded")


class InputError(ValueError):
    """Invalid input. The message gives the value, the reason and the cure.

    The command line prints the message without a traceback and exits with status 2; in Python it is a `ValueError`.
    """


class TrainingDiverged(RuntimeError):
    """A loss or a weight is not finite. The message gives the step, the term and the last good checkpoint."""


class PeerLost(RuntimeError):
    """Another process of the job did not come, or is gone. The message says which."""

    STATUS = 3  # of the command line; no other end has it


# Errors of the operating system about one path: reported in one line, without a traceback.
_ABOUT_PLACES = (
    "EACCES EPERM EROFS EISDIR ENOTDIR ENAMETOOLONG ELOOP EEXIST ENOTEMPTY EIO EFBIG EMFILE ENFILE ESTALE ETXTBSY"
    " ENOENT"
).split()
_UNKNOWN_HOME = "Could not determine home directory"  # of pathlib, for "~" of a user whom the system does not know


def system_error_message(error: BaseException | None) -> str | None:
    """A message for an error of the operating system: a full disk, an unusable path, no memory or no home folder.

    None for any other error, which is a defect.
    """
    if reason := full_disk(error):
        place = getattr(error, "filename", None) or "the output"
        reason = reason.lower().replace("on device", "on the device")
        return f"{place}: {reason}; free some, or choose another place. It was not changed."
    while error is not None:
        known = isinstance(error, OSError) and error.errno in [getattr(errno, name, None) for name in _ABOUT_PLACES]
        if known and error.filename is not None:
            place = error.filename if error.filename2 is None else error.filename2
            cure = "choose another place, or have its owner allow it"
            cure = "was it moved or removed?" if error.errno == errno.ENOENT else cure + "."
            return f"{place}: {error.strerror.lower()}; {cure}"
        if isinstance(error, MemoryError) or "RESOURCE_EXHAUSTED" in str(error):
            first = (str(error).splitlines() or [""])[0]
            told = f" ({first})" if first else ""
            return f"there is not enough memory{told}; ask for less at a time, or use a machine with more."
        if _UNKNOWN_HOME in str(error):
            return 'there is no home folder that "~" could stand for; set HOME, or write whole paths (--data-dir).'
        error = error.__cause__ or error.__context__
    return None


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
