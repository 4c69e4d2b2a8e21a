"""Meeting and watching without processes: threads stand for them, and `end` is noted instead of done."""

import json
import re
import socket
import threading
import time

import pytest

from digan_jax.errors import InputError, PeerLost
from digan_jax.host import peers


@pytest.fixture
def port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


@pytest.fixture
def meet(port):
    """meet((number, options), ...) -> what each got: `Peers`, or an exception."""

    def together(*each, count=3, wait=5.0):
        found = [None] * len(each)

        def one(i, number, options):
            try:
                arguments = {"number": number, "count": count, "wait": wait} | options
                found[i] = peers.meet(f"127.0.0.1:{port}", **arguments)
            except Exception as error:
                found[i] = error

        threads = [threading.Thread(target=one, args=(i, *who)) for i, who in enumerate(each)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(30)
        return found

    return together


def watched(found):
    """Each notes how it would have ended."""
    ends = {p.number: [] for p in found}
    for p in found:
        p._end = lambda status, number=p.number: ends[number].append(status)
    return ends


@pytest.mark.parametrize("order", [[0, 1, 2], [2, 1, 0], [1, 0, 2]])
def test_all_meet_whoever_is_first_and_leave_in_peace(meet, order):
    found = meet(*((number, {}) for number in order))
    assert [p.number for p in found] == order
    ends = watched(found)
    for p in found:
        p.close()
    assert not any(p.is_lost(0.2) for p in found) and not any(ends.values())


@pytest.mark.parametrize(
    ("there", "absent"), [([0, 1], "process 2 of 3"), ([0], "processes 1, 2 of 3"), ([1, 2], "process 0 of 3")]
)
def test_all_hear_who_is_absent(meet, there, absent):
    found = meet(*((number, {}) for number in there), wait=1.0)
    assert all(isinstance(error, PeerLost) and re.match(f"{absent} did not come", str(error)) for error in found)


@pytest.mark.parametrize("gone", [0, 1, 2])
def test_who_falls_silent_is_gone_for_all(meet, monkeypatch, capfd, gone):
    monkeypatch.setattr(peers, "GRACE", 0.1)
    found = meet(*((number, {}) for number in range(3)))
    ends = watched(found)
    found[gone]._closed.set()  # it does nothing more
    for link in found[gone]._links.values():  # as the kernel does for a killed process
        link._connection.shutdown(socket.SHUT_RDWR)
    others = [p for p in found if p.number != gone]
    assert all(p.is_lost(5) and re.match(f"process {gone} of 3 is gone", p.lost) for p in others)
    time.sleep(0.5)
    assert all(ends[p.number] == [3] for p in others)


@pytest.mark.parametrize("reason", ["train.seed=1: no", "the disk is full", "NaN"])
def test_a_reason_is_passed_on(meet, monkeypatch, reason):
    monkeypatch.setattr(peers, "GRACE", 0.1)
    found = meet((0, {}), (1, {}), (2, {}))
    watched(found)
    found[2].close(reason)
    assert all(p.is_lost(5) and p.lost == f"process 2 of 3 ended: {reason}" for p in found[:2])


@pytest.mark.parametrize("hello", [b"", b"GET / HTTP/1.1\r\n\r\n", b"[1]\n", b'{"process": "1"}\n', b"\xff\xfe\n"])
def test_strangers_at_the_port_are_sent_away(meet, port, hello):
    def knock():
        with socket.create_connection(("127.0.0.1", port)) as stranger:
            stranger.sendall(hello)

    timer = threading.Timer(0.3, knock)
    timer.start()
    first = meet((0, {}), count=2, wait=1.0)
    timer.join()
    assert "process 1 of 2 did not come" in str(first[0])
    assert [p.number for p in meet((0, {}), (1, {}), count=2)] == [0, 1]


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ({"count": 4}, "--process-count 4: process 0 was started with 2"),
        ({"same": "other"}, "process 1 has another configuration than process 0"),
        ({"number": 2}, "--process-id 2: must be 0 to 1"),
        ({"number": -1}, "--process-id -1: must be 0 to 1"),
    ],
)
def test_who_does_not_fit_is_told_so(meet, other, message):
    _, refused = meet((0, {}), (1, other), count=2, wait=1.5)
    assert isinstance(refused, InputError) and message in str(refused)


def test_a_number_is_given_once(meet):
    found = meet((0, {}), (1, {}), (1, {}), wait=2.0)
    told = sorted(type(error).__name__ for error in found)
    assert told == ["InputError", "PeerLost", "PeerLost"]


@pytest.mark.parametrize("address", ["", "host", "host:", ":80", "host:0", "host:99999", "host:x"])
def test_an_address_has_a_host_and_a_port(address):
    with pytest.raises(InputError, match="is no HOST:PORT"):
        peers.meet(address, 0, 2, 1.0)


def test_a_port_in_use_is_told(port):
    with socket.create_server(("", port)), pytest.raises(InputError, match="cannot listen there .*choose another port"):
        peers.meet(f"127.0.0.1:{port}", 0, 2, 0.5)


def test_messages_are_lines_whatever_the_packets(port):
    one, other = socket.socketpair()
    one.sendall(json.dumps({"a": 1}).encode() + b"\n" + b'{"b"')
    link = peers.Link.__new__(peers.Link)
    link._connection, link._rest, link._sending = other, b"", threading.Lock()
    assert link.receive(1) == {"a": 1} and link.receive(0.05) is None
    one.sendall(b": 2}\n")
    assert link.receive(1) == {"b": 2}
    one.close()
    assert link.receive(1) is None and link.closed()
