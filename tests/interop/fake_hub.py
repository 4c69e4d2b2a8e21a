"""A hub on this machine: as much of the Hugging Face hub's HTTP interface as making, filling and reading a repository
takes, so that the real client library is what is tested."""

import base64
import hashlib
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class FakeHub:
    """`repos`: "user/name" -> {path: bytes}; the token "good" may write."""

    def __init__(self):
        self.repos = {}
        self.server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler())
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    @property
    def endpoint(self):
        return f"http://127.0.0.1:{self.server.server_port}"

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()

    def _handler(hub):
        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def answer(self, status, body=b"", **headers):
                body = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                for name, value in {"Content-Length": str(len(body)), **headers}.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                if self.command != "HEAD":
                    self.wfile.write(body)

            def do_POST(self):
                body = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path == "/api/validate-yaml":  # of the model card
                    front = json.loads(body)["content"].split("---")[1]
                    errors = [] if "library_name: digan-jax" in front else [{"message": "no metadata"}]
                    return self.answer(200, {"errors": errors, "warnings": []})
                if self.headers.get("Authorization") != "Bearer good":
                    return self.answer(401, {"error": "Invalid username or password."})
                if self.path == "/api/repos/create":
                    repo = json.loads(body)
                    name = "/".join(filter(None, (repo.get("organization") or "someone", repo["name"])))
                    hub.repos.setdefault(name, {})
                    return self.answer(200, {"url": f"{hub.endpoint}/{name}"})
                if self.path.endswith("/preupload/main"):
                    files = [
                        {"path": f["path"], "uploadMode": "regular", "shouldIgnore": False, "oid": None}
                        for f in json.loads(body)["files"]
                    ]
                    return self.answer(200, {"files": files})
                if "/commit/main" in self.path:
                    name = self.path.removeprefix("/api/models/").partition("/commit/")[0]
                    for line in body.splitlines():
                        entry = json.loads(line)
                        if entry["key"] == "file":
                            hub.repos[name][entry["value"]["path"]] = base64.b64decode(entry["value"]["content"])
                    url = f"{hub.endpoint}/{name}/commit/{hub.commit(name)}"
                    return self.answer(200, {"commitUrl": url, "commitOid": hub.commit(name), "success": True})
                return self.answer(404, {"error": f"no {self.path}"})

            def do_GET(self):
                name, _, rest = self.path.removeprefix("/api/models/").removeprefix("/").partition("/resolve/")
                if not rest:
                    name = name.partition("/revision/")[0].partition("/tree/")[0].partition("?")[0]
                if name not in hub.repos:
                    return self.answer(404, {"error": "Repository not found"}, X_Error_Code="RepoNotFound")
                files, commit = hub.repos[name], hub.commit(name)
                if "/tree/" in self.path:
                    entry = lambda path: {"type": "file", "path": path, "oid": "0" * 40, "size": len(files[path])}
                    return self.answer(200, [entry(path) for path in files])
                if not rest:
                    siblings = [{"rfilename": path} for path in files]
                    return self.answer(200, {"id": name, "modelId": name, "sha": commit, "siblings": siblings})
                content = files.get(rest.partition("/")[2])
                if content is None:
                    return self.answer(404, {"error": "Entry not found"}, X_Error_Code="EntryNotFound")
                tag = f'"{hashlib.sha1(content).hexdigest()}"'
                return self.answer(200, content, ETag=tag, X_Repo_Commit=commit)

            do_HEAD = do_GET

        return Handler

    def commit(self, name):
        text = "".join(f"{path}{hashlib.sha1(content).hexdigest()}" for path, content in self.repos[name].items())
        return hashlib.sha1(text.encode()).hexdigest()
