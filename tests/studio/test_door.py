"""The door: what an address gives and what it refuses, asked over HTTP as an attacker would."""

import http.client
import json
import socket
import urllib.parse

import httpx
import pytest

from digan_jax.errors import InputError
from digan_jax.studio import server
from digan_jax.studio.guard import HEADERS

PATHS = [
    "/etc/passwd",
    "../../../../etc/passwd",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%252e%252e%252fetc",
]
PREFIXES = [
    *("/file=", "/gradio_api/file=", "/gradio_api/file/", "/file/", "/static/", "/assets/", "/studio/files/"),
    *("/gradio_api/proxy=", "/svelte/", "/gradio_api/stream/x/1/1/", "/gradio_api/upload/", "/"),
]


def asked(address, method, path, body=None, headers=()):
    """(status, body, headers) of a request whose path is sent as it is, without any tidying."""
    host = urllib.parse.urlsplit(address)
    connection = http.client.HTTPConnection(host.hostname, host.port, timeout=30)
    connection.request(method, path, body, dict(headers))
    answer = connection.getresponse()
    return answer.status, answer.read(), {name.lower(): value for name, value in answer.getheaders()}


@pytest.mark.parametrize("prefix", PREFIXES)
def test_no_path_of_a_request_reads_a_file(served, prefix):
    for path in PATHS:
        status, body, _ = asked(served, "GET", prefix + path)
        assert status in (400, 403, 404, 405) and b"root:" not in body


def test_a_file_of_a_run_or_of_another_client_is_not_read_without_its_token(served, followed_run):
    for path in (followed_run / "config.json", followed_run / "samples" / "kimg_000001.png"):
        for prefix in PREFIXES:
            assert asked(served, "GET", prefix + urllib.parse.quote(str(path)))[0] in (400, 403, 404, 405)
    assert asked(served, "GET", "/studio/files/abcdefghijklmnopqrstuvwx/clip.mp4")[0] == 404


@pytest.mark.parametrize(
    "method, path",
    [
        *(("POST", f"/gradio_api/{name}") for name in ("upload", "vibe-code", "process_recording", "component_server")),
        *(("GET", path) for path in ("/monitoring", "/gradio_api/info", "/docs", "/gradio_api/runs")),
        *(("POST", "/upload"), ("POST", "/gradio_api/api/predict"), ("OPTIONS", "/studio/upload")),
        *(("PUT", "/"), ("DELETE", "/")),
    ],
)
def test_what_the_page_does_not_need_is_not_there(served, method, path):
    assert asked(served, method, path)[0] == 404


def test_answers_have_headers_of_security(served):
    for path in ("/", "/theme.css", "/nothing"):
        found = asked(served, "GET", path)[2]
        assert {name: found.get(name) for name in HEADERS} == HEADERS
    assert "access-control-allow-origin" not in asked(served, "GET", "/", headers={"Origin": "http://evil.example"})[2]


def test_other_sites_may_not_ask(served):
    assert asked(served, "GET", "/", headers={"Host": "evil.example"})[0] == 421  # a name that points to this machine
    assert asked(served, "POST", "/gradio_api/run/predict", "{}", {"Origin": "http://evil.example"})[0] == 403


def test_files_that_are_sent(served):
    send = lambda name, body, **headers: asked(served, "POST", f"/studio/upload?name={name}", body, headers)
    status, body, _ = send("a.mp4", b"x" * 1_000_001)
    assert status == 413 and "larger than the 1 MB" in json.loads(body)["error"]
    chunks = httpx.post(
        f"{served}studio/upload?name=a.mp4", content=(b"x" * 100_000 for _ in range(20))
    )  # says no length
    assert chunks.status_code == 413 and "larger than the 1 MB" in chunks.json()["error"]
    status, body, _ = send("a.sh", b"x")
    assert status == 415 and ".sh files are not taken" in json.loads(body)["error"]
    status, body, _ = send("..%2F..%2Fetc%2Fcron.mp4", b"x")
    assert status == 200 and json.loads(body)["name"] == "cron.mp4"


def test_a_file_that_never_ends_makes_room_for_others(served, monkeypatch):
    monkeypatch.setattr(server, "SENDING", 0.2)
    place = urllib.parse.urlsplit(served)
    with socket.create_connection((place.hostname, place.port), timeout=30) as slow:
        head = f"POST /studio/upload?name=a.mp4 HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 900\r\n\r\nx"
        slow.sendall(head.encode())
        answer = slow.recv(4096)
    assert b" 408 " in answer.split(b"\r\n")[0]
    assert server.AT_ONCE.acquire(blocking=False)
    server.AT_ONCE.release()


def test_films_are_drawn_in_the_queue_alone(served):
    """A request that passes it by is refused: the queue's limit and its one film at a time hold for everybody."""
    config = httpx.get(f"{served}config", timeout=60).json()
    queued = [event["id"] for event in config["dependencies"] if event["queue"]]
    assert queued
    for number in queued:
        body = json.dumps({"fn_index": number, "data": [], "session_hash": "abcdefgh"})
        status, answer, _ = asked(served, "POST", "/gradio_api/run/predict", body, {"Content-Type": "application/json"})
        assert status == 404 and b"does not accept direct HTTP POST" in answer


def test_values_that_are_too_large(served):
    assert asked(served, "POST", "/gradio_api/run/predict", b" " * (2**22 + 1))[0] == 413


def test_a_login(followed_run):
    request = server.StudioRequest(runs=(str(followed_run),), port=0)
    with server.serving(request, ("me", "pass:word")) as address:
        for path in ("/", "/gradio_api/queue/data", "/studio/files/a/b", "/theme.css", "/config"):
            status, _, headers = asked(address, "GET", path)
            assert status == 401 and headers["www-authenticate"].startswith("Basic")
        assert httpx.get(address, auth=("me", "wrong")).status_code == 401
        assert httpx.get(address, auth=("me", "pass:word")).status_code == 200


def test_where_a_login_comes_from(tmp_path, monkeypatch):
    (tmp_path / "secret").write_text("me:pass:word\n")
    monkeypatch.setenv("STUDIO", "me:pass:word")
    for text in ("me:pass:word", f"file:{tmp_path / 'secret'}", "env:STUDIO"):
        assert server.login_of(text) == ("me", "pass:word")
    assert server.login_of(None) is None
    for text in ("hunter2", ":hunter2", "me:", "env:NOTHING", f"file:{tmp_path / 'none'}"):
        with pytest.raises(InputError) as error:
            server.login_of(text)
        assert "hunter2" not in str(error.value)


@pytest.mark.parametrize(
    "fields, message",
    [
        (dict(runs=()), "give a run"),
        (dict(runs=("r",), port=70000), "ports are 0 to 65535"),
        (dict(runs=("r",), frames=0), "frames=0: a limit is 1 or more"),
    ],
)
def test_impossible_studios(fields, message):
    with pytest.raises(InputError, match=message):
        server.StudioRequest(**fields)


def test_a_studio_of_nothing(tmp_path, followed_run):
    with pytest.raises(InputError, match="no such run or file"):
        with server.serving(server.StudioRequest(runs=(str(tmp_path / "none"),), port=0)):
            pass
    with pytest.raises(InputError, match="192.0.2.1 cannot be listened on"):
        with server.serving(server.StudioRequest(runs=(str(followed_run),), host="192.0.2.1", port=0)):
            pass
