"""Serves the studio on a port: the page, the clients' files and the door around both."""

from __future__ import annotations

import asyncio
import contextlib
import dataclasses
import os
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import gradio as gr
import jax
import uvicorn
from fastapi import FastAPI
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request as HttpRequest
from starlette.responses import FileResponse, JSONResponse, PlainTextResponse

from digan_jax.errors import InputError
from digan_jax.host.files import scratch_folder
from digan_jax.jobs.requests import Request
from digan_jax.studio import given, page, work
from digan_jax.studio.guard import UPLOAD, Guard, TooLarge
from digan_jax.studio.limits import Limits
from digan_jax.studio.services import Services
from digan_jax.studio.shelf import Shelf
from digan_jax.studio.store import Store, remove

LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
CONNECTIONS = 256  # at once; a page holds one or two
SESSIONS = 256  # whose changed controls Gradio keeps
PROGRAM_BYTES = 2**31  # of JAX's cache of compiled programs on disk, which every size of frame adds to
TYPES = {".mp4": "video/mp4", ".webm": "video/webm", ".gif": "image/gif", ".png": "image/png"}
AT_ONCE = threading.BoundedSemaphore(4)  # files that are being sent
SENDING = 300.0  # seconds that a file may take, so that nobody keeps the others waiting


@dataclasses.dataclass(frozen=True)
class StudioRequest(Request):
    """A studio to be served.

    Raises:
      InputError: no run, an impossible port.
    """

    runs: tuple[str, ...]  # paths for `digan.load`; also runs without a checkpoint yet
    directions: str | None = None  # a file of `digan directions`; None: directions.npz in each run
    host: str = LOOPBACK[0]
    port: int = 7860  # 0: any free one
    side: int = Limits.side  # these as in `Limits`
    frames: int = Limits.frames
    queue: int = Limits.queue
    seconds: int = Limits.seconds
    upload_mb: int = Limits.upload_mb
    stored_mb: int = Limits.stored_mb

    def check(self) -> None:
        if not self.runs:
            raise InputError("runs=(): give a run, such as --run runs/quickstart.")
        if not 0 <= self.port < 2**16:
            raise InputError(f"port={self.port}: ports are 0 to 65535.")
        self.limits()

    def limits(self) -> Limits:
        names = {field.name for field in dataclasses.fields(Limits)}
        return Limits(**{name: value for name, value in vars(self).items() if name in names})

    @property
    def is_local(self) -> bool:
        return self.host in LOOPBACK or self.host == "::1"


def app_of(request: StudioRequest, login: tuple[str, str] | None, folder: os.PathLike | str) -> Guard:
    """The studio as an ASGI application.

    Args:
      login: (user, password); None: everybody who reaches the port may come in. It is part of no record.
      folder: an empty one for clients' files.

    Raises:
      InputError: a run that cannot be opened; no model to draw with and no run to follow.
    """
    limits = request.limits()
    services = Services(
        Shelf(request.runs, request.directions),
        Store(folder, limits.stored_mb * 2**20),
        work.Desk(limits.seconds),
        limits,
    )
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    _add_files(app, services.store)
    _add_upload(app, services)
    blocks = page.build(services)
    blocks.queue(max_size=limits.queue, api_open=False)
    blocks.state_session_capacity = SESSIONS
    gr.mount_gradio_app(
        app,
        blocks,
        path="/",
        footer_links=[],
        run_history=False,
        ssr_mode=False,
        show_error=True,
        enable_monitoring=False,
        pwa=False,
        mcp_server=False,
        theme=page.theme(),
        css=page.css(),
        head='<meta name="viewport" content="width=device-width, initial-scale=1">',
    )
    hosts = LOOPBACK if request.is_local else ()
    return Guard(app, hosts, login, limits.upload_mb * 10**6, uploads=bool(page.offered(services)))


def _add_files(app: FastAPI, store: Store) -> None:
    @app.get("/studio/files/{token}/{name}")
    def file(token: str, name: str):
        kept = store.find(token)
        if kept is None or kept.path.is_dir() or kept.name != name:
            return PlainTextResponse("this file is not here any more; draw it again.", 404)
        kind = TYPES.get(kept.path.suffix, "application/octet-stream")
        return FileResponse(kept.path, media_type=kind, headers={"cache-control": "private, max-age=3600"})


def _add_upload(app: FastAPI, services: Services) -> None:
    @app.post(UPLOAD)
    async def upload(request: HttpRequest):
        name = Path(request.query_params.get("name", "")).name[:80]
        suffix = Path(name).suffix.lower()
        if suffix not in given.SUFFIXES:
            return JSONResponse(
                {"error": f"{suffix or 'this'} files are not taken; send one of {', '.join(given.SUFFIXES)}."}, 415
            )
        if not AT_ONCE.acquire(blocking=False):
            return JSONResponse({"error": "others are sending files; try again in a moment."}, 429)
        path = services.store.place(suffix)
        try:
            with open(path, "wb") as written:
                async with asyncio.timeout(SENDING):
                    async for part in request.stream():
                        await run_in_threadpool(written.write, part)
            return {"token": services.store.keep(path, name), "name": name}
        except TooLarge:
            remove(path)
            return JSONResponse(
                {"error": f"larger than the {services.limits.upload_mb} MB that this studio takes."}, 413
            )
        except TimeoutError:
            remove(path)
            return JSONResponse({"error": f"not here after {SENDING:g} s; send a smaller file."}, 408)
        except BaseException:
            remove(path)
            raise
        finally:
            AT_ONCE.release()


def bound(request: StudioRequest) -> socket.socket:
    """The socket of the studio.

    Raises:
      InputError: the host is not this machine's, or the port is taken.
    """
    family = socket.AF_INET6 if ":" in request.host else socket.AF_INET
    found = socket.socket(family, socket.SOCK_STREAM)
    found.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        found.bind((request.host, request.port))
    except OSError as error:
        found.close()
        reason = (error.strerror or str(error)).lower()
        raise InputError(
            f"port={request.port}: {request.host} cannot be listened on ({reason}); choose another."
        ) from None
    return found


def bound_programs() -> None:
    """Gives this process its own folder of compiled programs on disk, with a largest size."""
    if cache := jax.config.jax_compilation_cache_dir:
        jax.config.update("jax_compilation_cache_dir", os.path.join(cache, "studio"))
        jax.config.update("jax_compilation_cache_max_size", PROGRAM_BYTES)


@contextlib.contextmanager
def serving(request: StudioRequest, login: tuple[str, str] | None = None) -> Iterator[str]:
    """Serves the studio in a thread while the block lasts; gives its address. Raises as `app_of` and `bound`."""
    os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # nothing is told to anybody
    listening = bound(request)
    with contextlib.closing(listening), scratch_folder() as folder:
        app = app_of(request, login, folder)
        config = uvicorn.Config(
            app, log_level="warning", access_log=False, limit_concurrency=CONNECTIONS, lifespan="on"
        )
        config.timeout_graceful_shutdown = 2
        server = uvicorn.Server(config)  # in a thread it leaves signals alone
        thread = threading.Thread(target=server.run, args=([listening],), name="studio", daemon=True)
        thread.start()
        while not server.started and thread.is_alive():
            time.sleep(0.02)
        try:
            host, port = listening.getsockname()[:2]
            yield f"http://{f'[{host}]' if ':' in host else host}:{port}/"
        finally:
            server.should_exit = True
            thread.join(10)


def login_of(text: str | None) -> tuple[str, str] | None:
    """ "user:password" as a pair; of an environment variable ("env:NAME") or a file ("file:PATH"), which no list of
    processes shows.

    Raises:
      InputError: it is none of these; the message does not repeat it.
    """
    if text is None:
        return None
    kind, _, place = text.partition(":")
    if kind == "env":
        text = os.environ.get(place, "")
    elif kind == "file":
        try:
            text = Path(place).expanduser().read_text(encoding="utf-8").strip()
        except (OSError, ValueError):
            raise InputError(f"login=file:{place}: cannot be read; it holds user:password.") from None
    user, colon, password = text.partition(":")
    if not (user and colon and password):
        raise InputError("login: write user:password, env:NAME or file:PATH with user:password in it.")
    return user, password
