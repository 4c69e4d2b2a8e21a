"""The processes of one job: they meet before the work begins, and each knows at once when another is gone.

Process 0 listens at the coordinator's port, on which the library's own service starts later; every other process holds
one connection to it. The kernel closes the connections of a process that dies, and a host that falls silent misses its
beats. Messages are lines of JSON.
"""

from __future__ import annotations

import contextlib
import ctypes
import errno
import json
import os
import select
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable

from digan_jax.errors import InputError, PeerLost

BEAT, SILENCE = 3.0, 40.0  # seconds from a sign of life to the next, and without any until a process counts as gone
GRACE = 5.0  # seconds in which a process whose peer is gone may end by itself, with an error of its own
HELLO = 5.0  # seconds in which who connects must say who it is


class Link:
    """A connection that carries lines of JSON."""

    def __init__(self, connection: socket.socket):
        self._connection, self._rest, self._sending = connection, b"", threading.Lock()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, **message) -> None:
        """Nothing, when the other end is gone: whoever receives will notice."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict | None:
        """The next message; None when the other end is gone, is silent for so long, or speaks another language."""
        until = time.monotonic() + seconds
        try:
            while b"\n" not in self._rest:
                self._connection.settimeout(max(0.01, until - time.monotonic()))
                got = self._connection.recv(4096)
                if not got or len(self._rest) > 1 << 16:
                    return None
                self._rest += got
            line, _, self._rest = self._rest.partition(b"\n")
            message = json.loads(line)
            return message if isinstance(message, dict) else None
        except (OSError, ValueError):
            return None

    def closed(self) -> bool:
        """Whether the other end is gone; takes nothing from what it said, and waits for nothing."""
        ends = select.POLLHUP | select.POLLERR | getattr(select, "POLLRDHUP", 0)
        asked = select.poll()
        try:
            asked.register(self._connection, ends)
        except (OSError, ValueError):
            return True
        return any(events & (ends | select.POLLNVAL) for _, events in asked.poll(0))

    def close(self) -> None:
        self._connection.close()


# ---- meeting ----


def meet(coordinator: str, number: int, count: int, wait: float, same: str = "") -> Peers:
    """Returns once all `count` processes are there.

    Args:
      coordinator: HOST:PORT of process 0.
      number: of this process, from 0.
      wait: seconds.
      same: what all must have in common, such as a digest of the configuration.

    Raises:
      InputError: no address, a number that is not one of `count`, that another process has too, another count, or
        something else as `same`.
      PeerLost: some did not come; names them.
    """
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 65536:
        raise InputError(f"--coordinator {coordinator}: is no HOST:PORT, such as 10.0.0.1:1234.")
    if count < 1 or not 0 <= number < count:
        raise InputError(f"--process-id {number}: must be 0 to {count - 1}, for --process-count {count}.")
    until = time.monotonic() + wait
    if number == 0:
        return Peers(0, count, _gather(coordinator, int(port), count, until, wait, same))
    hello = {"process": number, "count": count, "same": same}
    return Peers(number, count, {0: _call(coordinator, host.strip("[]"), int(port), hello, until, wait)})


def _gather(coordinator: str, port: int, count: int, until: float, wait: float, same: str) -> dict[int, Link]:
    links: dict[int, Link] = {}
    with _listening(coordinator, port, until) as server:
        while missing := sorted({*range(1, count)} - links.keys()):
            server.settimeout(max(0.01, until - time.monotonic()))
            try:
                link = Link(server.accept()[0])
            except TimeoutError:
                lost = PeerLost(_absent(missing, count, coordinator, wait))
                for other in links.values():
                    other.send(lost=str(lost))
                raise lost from None
            _admit(link, links, count, same)
    for link in links.values():
        link.send(all_there=True)
    return links


def _listening(coordinator: str, port: int, until: float) -> socket.socket:
    """A job that just ended may hold the port for some moments more."""
    both = {"family": socket.AF_INET6, "dualstack_ipv6": True} if socket.has_dualstack_ipv6() else {}
    while True:
        try:
            return socket.create_server(("", port), backlog=512, **both)
        except OSError as error:
            if error.errno == errno.EAFNOSUPPORT and both:  # a kernel without IPv6
                both = {}
            elif error.errno != errno.EADDRINUSE or time.monotonic() + 1 > until:
                cure = "choose another port, on the machine of process 0"
                raise InputError(
                    f"--coordinator {coordinator}: cannot listen there ({error.strerror}); {cure}."
                ) from None
            else:
                time.sleep(0.5)


def _admit(link: Link, links: dict[int, Link], count: int, same: str) -> None:
    hello = link.receive(HELLO)
    if not hello or not isinstance(number := hello.get("process"), int):
        return link.close()  # somebody else, such as a port scanner
    if hello.get("count") != count:
        return link.send(refused=f"--process-count {hello.get('count')}: process 0 was started with {count}.")
    if number in links and not links[number].closed():
        return link.send(refused=f"--process-id {number}: another process has it; give each its own.")
    if hello.get("same") != same:
        return link.send(refused=f"process {number} has another configuration than process 0; give both the same.")
    links[number] = link


def _absent(missing: list[int], count: int, coordinator: str, wait: float) -> str:
    who = ("process " if len(missing) == 1 else "processes ") + ", ".join(map(str, missing))
    return (
        f"{who} of {count} did not come to {coordinator} within {wait:g} s; start all {count}, "
        "or give them more time with --wait."
    )


def _call(coordinator: str, host: str, port: int, hello: dict, until: float, wait: float) -> Link:
    reason = "no answer"
    while (left := until - time.monotonic()) > 0:
        try:
            link = Link(socket.create_connection((host, port), min(left, 5)))
        except OSError as error:
            reason = error.strerror or str(error)
            time.sleep(min(0.2, left))
            continue
        link.send(**hello)
        # The first may have begun to wait later than this one; it says who is missing.
        said = link.receive(max(until - time.monotonic(), 0) + wait) or {}
        if "all_there" in said:
            return link
        link.close()
        if "refused" in said:
            raise InputError(said["refused"])
        if "lost" in said:
            raise PeerLost(said["lost"])
        reason = "it closed the connection"
        time.sleep(0.2)
    raise PeerLost(_absent([0], hello["count"], coordinator, wait).replace(" within", f" ({reason}) within"))


# ---- watching ----


class Peers:
    """All processes of the job, watched from threads until `close`. When one is gone this process gets `GRACE` seconds
    to end by itself; then it says which, and ends with `PeerLost.STATUS`: its main thread would wait for ever.

    Attributes:
      lost: what to tell a person when a process is gone; None: all are there.
    """

    def __init__(self, number: int, count: int, links: dict[int, Link], end: Callable[[int], None] = os._exit):
        self.number, self.count, self.lost = number, count, None
        self._links, self._end = links, end
        self._closed, self._gone, self._deciding = threading.Event(), threading.Event(), threading.Lock()
        for other, link in links.items():
            threading.Thread(target=self._listen, args=(other, link), daemon=True).start()
        if links:
            threading.Thread(target=self._beat, daemon=True).start()

    def _beat(self) -> None:
        while not self._closed.wait(BEAT):
            for link in self._links.values():
                link.send(beat=True)

    def _listen(self, other: int, link: Link) -> None:
        while (said := link.receive(SILENCE)) is not None:
            if "done" in said:
                return
            if "lost" in said:
                return self._lose(said["lost"])
            if "failed" in said:
                return self._lose(f"process {other} of {self.count} ended: {said['failed']}")
        cure = f"start all {self.count} again, and the run goes on from its last checkpoint"
        self._lose(f"process {other} of {self.count} is gone (killed, or cut off from the network); {cure}.")

    def _lose(self, what: str) -> None:
        with self._deciding:
            if self.lost or self._closed.is_set():
                return
            self.lost = what
        for link in self._links.values():
            link.send(lost=what)
        self._gone.set()
        # With process 0 went the coordination service: the library ends processes that miss it with a stack dump.
        if not self._closed.wait(GRACE if self.number == 0 or 0 in self._still() else 0):
            self.say_and_end()

    def _still(self) -> set[int]:
        return {other for other, link in self._links.items() if not link.closed()}

    def say_and_end(self) -> None:
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"digan: {self.lost}\n".encode())
        self._end(PeerLost.STATUS)

    def is_lost(self, seconds: float) -> bool:
        """Whether a process is gone; waits so long for the news."""
        return self._gone.wait(seconds)

    def close(self, failed: str | None = None) -> None:
        """This process leaves, done or for a reason that the others should know."""
        self._closed.set()
        for link in self._links.values():
            link.send(**({"failed": failed} if failed else {"done": True}))

    def end_aborts(self) -> None:
        """From here on an abort of the library, when the coordination service is gone, ends as `PeerLost` does."""

        def aborted(number: int) -> None:
            if self.is_lost(GRACE) and not self._closed.is_set():
                self.say_and_end()
            signal.signal(signal.SIGABRT, signal.SIG_DFL)

        if sys.platform == "linux":
            self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)  # kept: C holds no reference
            set_handler = ctypes.CDLL(None).signal
            set_handler.argtypes = [ctypes.c_int, ctypes.c_void_p]
            set_handler(signal.SIGABRT, ctypes.cast(self._handler, ctypes.c_void_p))
