"""Checkpoints on their way to a bucket that Orbax does not know (s3://): saved on this machine's disk, then uploaded."""

from __future__ import annotations

import concurrent.futures
import contextlib
from collections.abc import Callable, Sequence

from etils import epath

from digan_jax.host import files

LAST = "_CHECKPOINT_METADATA"  # Orbax's file that is uploaded last: without it a checkpoint does not count


class Outbox:
    """Uploads checkpoints in a thread, and then removes those that are not to be kept.

    Args:
      bucket: the folder of checkpoints in the bucket.
      finished: steps of the checkpoints that are whole there, ascending.
      kept: of these, whether each is to be kept.

    Attributes:
      local: the folder where Orbax saves. Removed by `close`.
    """

    def __init__(
        self, bucket: epath.Path, finished: Callable[[], list[int]], kept: Callable[[list[int]], Sequence[bool]]
    ):
        self._bucket, self._finished, self._kept = bucket, finished, kept
        self._opened = contextlib.ExitStack()
        self.local = epath.Path(self._opened.enter_context(files.scratch_folder()))
        self._thread = self._opened.enter_context(concurrent.futures.ThreadPoolExecutor(1))
        self._sending: concurrent.futures.Future | None = None
        self._sent: set[int] = set()

    def send(self, steps: Sequence[int]) -> None:
        """Begins to upload the local checkpoints of these steps, unless they are there, or others are on their way."""
        waiting = [step for step in steps if step not in self._sent]
        if waiting and self._sending is None:
            self._sending = self._thread.submit(self._upload, waiting)

    def failure(self, wait: bool) -> Exception | None:
        """The error of the last upload, reported once; None if it succeeded or goes on.

        Args:
          wait: wait until it has ended.
        """
        if self._sending is None or not (wait or self._sending.done()):
            return None
        ended, self._sending = self._sending, None
        return ended.exception()

    def close(self) -> None:
        """Waits for the last upload, and removes the local folder."""
        self._opened.close()

    def _upload(self, steps: list[int]) -> None:
        for step in steps:
            place = self._bucket / str(step)
            if place.exists():  # of an upload that was interrupted
                place.rmtree()
            files.upload(self.local / str(step), place, last=LAST)
            self._sent.add(step)
        there = self._finished()
        for step, keep in zip(there, self._kept(there), strict=True):
            if not keep:
                (self._bucket / str(step) / LAST).unlink()  # first, so that no half of it counts
                (self._bucket / str(step)).rmtree()
