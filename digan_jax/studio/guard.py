"""The door of the studio: who may come in, which addresses there are, how much may be sent, and what browsers are told.

Gradio has many routes, also for files by path, uploads and proxies. Only those that the page needs are let through.
"""

from __future__ import annotations

import asyncio
import base64
import hmac
import re
from collections.abc import Collection

from starlette.responses import JSONResponse, PlainTextResponse

UPLOAD = "/studio/upload"
_GET = re.compile(
    r"/|/(theme\.css|favicon\.ico|manifest\.json|robots\.txt|config)|/(static|assets|svelte)/[\w./@-]+"
    r"|/gradio_api/(startup-events|queue/data|heartbeat/\w{1,64}|app_id)|/studio/files/[\w-]{1,64}/[\w.-]{1,64}"
)
_POST = re.compile(rf"/gradio_api/(queue/join|run/predict|cancel|reset)/?|{UPLOAD}")
_BODY = 4 * 2**20  # bytes of other requests: values of controls, with small pictures
HEADERS = {
    "content-security-policy": (
        "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
        "img-src 'self' data: blob:; media-src 'self' blob:; font-src 'self' data:; connect-src 'self'; "
        "worker-src 'self' blob:; object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
    ),
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "referrer-policy": "no-referrer",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "permissions-policy": "camera=(), microphone=(), geolocation=()",
}


class Guard:
    """ASGI middleware around the whole studio.

    Args:
      hosts: names by which the studio may be asked for; empty: any. Pages of other sites that point their name at this
        machine have another one.
      login: (user, password), by HTTP's basic scheme; None: everybody.
      upload_bytes: most bytes of a file that is sent.
      uploads: whether any tab takes files.
    """

    def __init__(self, app, hosts: Collection[str], login: tuple[str, str] | None, upload_bytes: int, uploads: bool):
        self._app, self._hosts, self._upload_bytes, self._uploads = app, frozenset(hosts), upload_bytes, uploads
        self._login = login and base64.b64encode(":".join(login).encode())

    async def __call__(self, scope, receive, send):
        if scope["type"] != "http":
            if scope["type"] == "lifespan":
                await self._app(scope, receive, send)
            return
        headers = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]}
        send = _with_headers(send)
        refusal = await self._refusal(scope, headers)
        if refusal is not None:
            return await refusal(scope, receive, send)
        most = self._upload_bytes if scope["path"] == UPLOAD else _BODY
        length = headers.get("content-length", "0")
        if not length.isdecimal() or int(length) > most:
            return await _too_large(most)(scope, receive, send)
        await self._app(scope, _counted(receive, most), send)

    async def _refusal(self, scope, headers):
        """The answer to a request that is not let through; None: it is."""
        if self._hosts and _name_of(headers.get("host", "")) not in self._hosts:
            return PlainTextResponse("unknown host; open the studio by the address that it printed.", 421)
        if self._login and not self._knows(headers.get("authorization", "")):
            await asyncio.sleep(0.5)  # guessing is slow
            challenge = {"www-authenticate": 'Basic realm="digan studio", charset="UTF-8"'}
            return PlainTextResponse("this studio asks for a user and a password.", 401, challenge)
        path, method = scope["path"], scope["method"]
        known = {"GET": _GET, "HEAD": _GET, "POST": _POST}.get(method)
        if known is None or ".." in path or not known.fullmatch(path) or (path == UPLOAD and not self._uploads):
            return PlainTextResponse("there is nothing here.", 404)
        origin = headers.get("origin")
        if method == "POST" and origin and origin.partition("://")[2] != headers.get("host"):
            return PlainTextResponse("requests of other sites are refused.", 403)
        return None

    def _knows(self, authorization: str) -> bool:
        scheme, _, given = authorization.partition(" ")
        return scheme.lower() == "basic" and hmac.compare_digest(given.strip().encode(), self._login)


class TooLarge(Exception):
    """A body went on after the most bytes that are taken."""


def _counted(receive, most: int):
    seen = 0

    async def count():
        nonlocal seen
        message = await receive()
        seen += len(message.get("body", b""))
        if seen > most:
            raise TooLarge(f"{seen} bytes")
        return message

    return count


def _too_large(most: int):
    return JSONResponse({"error": f"larger than the {most / 1e6:.0f} MB that this studio takes; send less."}, 413)


def _name_of(host: str) -> str:
    """A Host header without its port."""
    return host.rpartition("]")[0] + "]" if host.startswith("[") else host.partition(":")[0]


def _with_headers(send):
    added = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    names = {name for name, _ in added}

    async def send_with_headers(message):
        if message["type"] == "http.response.start":
            kept = [(name, value) for name, value in message.get("headers", []) if name.lower() not in names]
            message = {**message, "headers": kept + added}
        await send(message)

    return send_with_headers
