"""Many clients of one studio at once, over HTTP as browsers speak: is every answer right, and does memory stay bounded?

    python scripts/load_studio.py --run runs/quickstart --clients 20 --minutes 5

Starts a studio of its own. Each client moves the time through its own clip, and now and then draws a film and saves it.
At the end frames are held against those that are drawn here, and each film against the number of its frames.
"""

import argparse
import base64
import io
import json
import re
import secrets
import subprocess
import sys
import threading
import time

import av
import httpx
import numpy as np
from PIL import Image

FILM = {"frames": 8, "width": 64, "height": 64}


class Client(threading.Thread):
    """A browser without a window: its controls, its session, what it saw."""

    def __init__(self, address: str, config: dict, number: int, until: float):
        super().__init__(daemon=True)
        self.address, self.number, self.until = address, number, until
        self.session, self.http = secrets.token_hex(6), httpx.Client(base_url=address, timeout=120)
        self.parts = {part["props"].get("elem_id"): part for part in config["components"]}
        self.live, self.film = (self._event(config, "left", "change"), self._event(config, "draw", "click"))
        self.took, self.films, self.wrong, self.refused = [], 0, [], 0
        self.frames: dict[tuple[int, float], str] = {}

    def _event(self, config: dict, name: str, kind: str) -> dict:
        """The event that draws frames, or films."""
        part, many = self.parts[name]["id"], [d for d in config["dependencies"] if len(d["inputs"]) > 10]
        if kind == "click":
            return next(d for d in many if [part, kind] in map(list, d["targets"]))
        return next(d for d in many if d["outputs"][:1] == [part])

    def _data(self, event: dict, **values) -> list:
        of_part = {part["id"]: (name, part) for name, part in self.parts.items()}
        found = []
        for number in event["inputs"]:
            name, part = of_part.get(number, ("", {"props": {}}))
            found.append(values.get(name, part["props"].get("value")))
        return found

    def run(self):
        random = np.random.default_rng(self.number)
        while time.monotonic() < self.until:
            try:
                if random.random() < 0.02:
                    self.draw()
                else:
                    self.look(round(float(random.integers(0, 21)) / 20, 2))
            except Exception as error:
                self.wrong.append(repr(error)[:200])
            time.sleep(float(random.uniform(0.05, 0.4)))

    def look(self, when: float):
        began = time.monotonic()
        values = dict(content=self.number, motion=self.number, time=when, width=64, height=64)
        body = {"fn_index": self.live["id"], "data": self._data(self.live, **values), "session_hash": self.session}
        answer = self.http.post("gradio_api/run/predict", json=body)
        if answer.status_code == 503:
            self.refused += 1
            return
        answer.raise_for_status()
        picture = answer.json()["data"][0]
        self.took.append(time.monotonic() - began)
        if f"content {self.number}, motion {self.number}, time {when:.2f}" not in picture["caption"]:
            self.wrong.append(f"{when}: {picture['caption']}")
        if self.frames.setdefault((self.number, when), picture["src"]) != picture["src"]:
            self.wrong.append(f"{when}: another picture than before")

    def draw(self):
        values = dict(content=self.number, motion=self.number, **FILM)
        body = {"fn_index": self.film["id"], "data": self._data(self.film, **values), "session_hash": self.session}
        joined = self.http.post("gradio_api/queue/join", json=body)
        if joined.status_code == 503 or "full" in joined.text:
            self.refused += 1
            return
        joined.raise_for_status()
        with self.http.stream("GET", "gradio_api/queue/data", params={"session_hash": self.session}) as events:
            film = None
            for line in events.iter_lines():  # what is told of a film comes in parts; one has its address
                film = re.search(r"studio/files/[\w-]+/[\w.-]+", line) or film
                if '"process_completed"' in line:
                    break
        if film is None:
            self.wrong.append(f"no film: {line[:200]}")
            return
        with av.open(io.BytesIO(self.http.get(film[0]).raise_for_status().content)) as video:
            count = sum(1 for _ in video.decode(video=0))
        self.films += 1
        if count != FILM["frames"]:
            self.wrong.append(f"a film of {count} frames")


def resident(process: int) -> float:
    """MB of memory of a process (Linux)."""
    with open(f"/proc/{process}/status", encoding="utf-8") as status:
        return int(re.search(r"VmRSS:\s+(\d+)", status.read())[1]) / 1024


def compared(run: str, frames: dict) -> float:
    """The largest difference in grey levels between the frames that clients got and those that this process draws."""
    import digan_jax as digan
    from digan_jax.host.video_files import to_uint8

    model, worst = digan.load(run), 0.0
    for (number, when), source in list(frames.items())[:40]:
        seen = np.asarray(Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))))
        drawn = to_uint8(model.generate(model.latents([number]), [when], digan.grid(64, 64))[0, 0])
        worst = max(worst, float(np.abs(seen.astype(int) - drawn.astype(int)).max()))
    return worst


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--run", required=True)
    parser.add_argument("--clients", type=int, default=20)
    parser.add_argument("--minutes", type=float, default=5)
    a = parser.parse_args()
    words = [sys.executable, "-m", "digan_jax", "studio", "--run", a.run, "--port", "0"]
    studio = subprocess.Popen(words, stdout=subprocess.PIPE, text=True)
    try:
        address = re.search(r"http\S+", studio.stdout.readline())[0]
        config = httpx.get(f"{address}config", timeout=60).json()
        until = time.monotonic() + 60 * a.minutes
        clients = [Client(address, config, number, until) for number in range(a.clients)]
        clients[0].look(0.0)  # compiles
        clients[0].draw()
        for client in clients:
            client.start()
        memory, left = [resident(studio.pid)], until - time.monotonic()
        for _ in range(10):
            time.sleep(left / 10)
            memory.append(resident(studio.pid))
        for client in clients:
            client.join(180)
        assert studio.poll() is None, "the studio ended"
        report = summary(a.run, clients, memory)
    finally:
        studio.terminate()
        studio.wait(30)
    print(json.dumps(report, indent=1))
    return 1 if report["wrong"] or report["largest difference"] > 1 else 0


def summary(run: str, clients: list[Client], memory: list[float]) -> dict:
    took = np.concatenate([client.took for client in clients])
    frames = {key: source for client in clients for key, source in client.frames.items()}
    return {
        "clients": len(clients),
        "frames": len(took),
        "milliseconds a frame: median, 95th percentile, longest": [
            round(1000 * float(x)) for x in np.percentile(took, [50, 95, 100])
        ],
        "films": sum(client.films for client in clients),
        "refused, queue full": sum(client.refused for client in clients),
        "wrong": [text for client in clients for text in client.wrong][:10],
        "largest difference": compared(run, frames),
        "memory in MB, at each tenth": [round(x) for x in memory],
    }


if __name__ == "__main__":
    sys.exit(main())
