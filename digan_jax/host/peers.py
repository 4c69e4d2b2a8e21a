"""Connects the processes of one job before the work begins, and detects when one of them dies.

Process 0 listens at the coordinator's port, where JAX's own coordination service starts later. Every other process
keeps one connection to it. When a process dies, the kernel closes its connection; when a host is cut off, its
heartbeats stop. Messages are lines of JSON.
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

BEAT, SILENCE = 3.0, 40.0  # seconds between heartbeats; without one until a process counts as lost
GRACE = 5.0  # seconds in which a process whose peer is lost may still end with an error of its own
HELLO = 5.0  # seconds in which a new connection must identify itself


class Link:
    """A connection that carries messages as lines of JSON."""

    def __init__(self, connection: socket.socket):
        self._connection, self._rest, self._sending = connection, b"", threading.Lock()
        connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def send(self, **message) -> None:
        """Sends a message. Does nothing when the connection is lost: the receiving thread notices that."""
        with self._sending, contextlib.suppress(OSError):
            self._connection.sendall(json.dumps(message).encode() + b"\n")

    def receive(self, seconds: float) -> dict | None:
        """The next message; None when the connection is lost, after `seconds` of silence, or for invalid JSON."""
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
        """Whether the other end has closed the connection. Reads no message and does not wait."""
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
    """Waits until all `count` processes of the job are connected.

    Args:
      coordinator: HOST:PORT of process 0.
      number: of this process, in [0, count - 1].
      wait: time limit in seconds.
      same: must be equal in all processes, such as a digest of the configuration.

    Raises:
      InputError: an invalid address or number, a number that another process uses, or processes that differ in
        `count` or `same`.
      PeerLost: some processes did not connect in time; names them.
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
    """Opens the port. Retries until `until`, because a job that has just ended may still hold it."""
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
        return link.close()  # no process of a job; perhaps a port scanner
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
        # Process 0 may have started its wait later than this process; its answer names the missing ones.
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
    """Watches the other processes of the job from threads, until `close`.

    When one is lost, this process has `GRACE` seconds to end by itself. Then it prints `lost` and exits with status
    `PeerLost.STATUS`, because its main thread may wait for the lost process for ever.

    Attributes:
      lost: message that names the lost process; None while all are connected.
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
        # Without process 0 there is no coordination service, and JAX then aborts this process with a stack dump.
        if not self._closed.wait(GRACE if self.number == 0 or 0 in self._still() else 0):
            self.say_and_end()

    def _still(self) -> set[int]:
        return {other for other, link in self._links.items() if not link.closed()}

    def say_and_end(self) -> None:
        """Prints `lost` on stderr and exits with status `PeerLost.STATUS`."""
        with contextlib.suppress(OSError, ValueError):
            os.write(sys.stderr.fileno(), f"digan: {self.lost}\n".encode())
        self._end(PeerLost.STATUS)

    def is_lost(self, seconds: float) -> bool:
        """Whether a process is lost; waits up to `seconds` for that."""
        return self._gone.wait(seconds)

    def close(self, failed: str | None = None) -> None:
        """Stops watching and tells the other processes that this one is done, or why it failed."""
        self._closed.set()
        for link in self._links.values():
            link.send(**({"failed": failed} if failed else {"done": True}))

    def end_aborts(self) -> None:
        """From now on, when JAX aborts because a process is lost, exits like `say_and_end`. Linux only."""

        def aborted(number: int) -> None:
            if self.is_lost(GRACE) and not self._closed.is_set():
                self.say_and_end()
            signal.signal(signal.SIGABRT, signal.SIG_DFL)

        if sys.platform == "linux":
            self._handler = ctypes.CFUNCTYPE(None, ctypes.c_int)(aborted)  # kept alive: C holds no reference
            set_handler = ctypes.CDLL(None).signal
            set_handler.argtypes = [ctypes.c_int, ctypes.c_void_p]
            set_handler(signal.SIGABRT, ctypes.cast(self._handler, ctypes.c_void_p))
