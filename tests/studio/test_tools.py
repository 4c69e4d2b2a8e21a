"""The table of tools and the tabs made of it, with a tool that paints the labels that it is given."""

import base64
import dataclasses
import threading
from pathlib import Path

import httpx
import numpy as np
import pytest
from PIL import Image

from digan_jax.host.video_files import write_video
from digan_jax.jobs.requests import Request
from digan_jax.studio import clip_tab, tools, work
from digan_jax.studio.limits import Limits
from digan_jax.studio.server import StudioRequest, serving
from digan_jax.studio.services import Services
from digan_jax.studio.shelf import NEWEST, Shelf
from digan_jax.studio.store import Store
from digan_jax.studio.tools import Input, Shape, Tool
from tests.studio.test_page import Page


@dataclasses.dataclass(frozen=True)
class PaintRequest(Request):
    labels: str
    out: str
    run: str | None = None
    step: int | None = None
    copies: int = 1
    method: str = "model"
    chosen: tuple[int, ...] = ()


def paint(request, progress):
    labels = np.asarray(Image.open(Path(request.labels) / "0.png"))
    with progress.of("painting", request.copies, "frames") as advance:
        for _ in range(request.copies):
            advance()
    write_video(request.out, np.repeat(np.repeat(labels[None, ..., None] * 100, 3, -1), request.copies, 0))


PAINT = Tool(
    "paint",
    ("upscale",),
    PaintRequest,
    paint,
    lambda request: Shape(32, 32, request.copies),
    (
        Input("labels", "Labels", "sketch"),
        Input("copies", "Frames", "whole", 1),
        Input("method", "Method", "choice", "model", choices=("model", "plain")),
        Input("chosen", "Numbers", "numbers", ""),
    ),
    free=("plain",),
)
DRAWING = {"width": 2, "height": 1, "labels": base64.b64encode(bytes([0, 2])).decode()}
VALUES = {"labels": DRAWING, "copies": 3, "method": "model", "chosen": "4-6"}


@pytest.fixture(scope="module")
def services(upscaling_run, tmp_path_factory):
    shelf = Shelf([str(upscaling_run)])
    return Services(shelf, Store(tmp_path_factory.mktemp("store"), 10**8), work.Desk(60), Limits(frames=9))


def made(services, suffix="npz", **changes):
    run = services.shelf.names("upscale")[0]
    told = []
    return clip_tab.film_of(PAINT, services, VALUES | changes, (run, NEWEST, suffix), "me", told.append), told


def test_a_film_of_what_is_drawn(services):
    (film, line, code, said), told = made(services)
    assert said["text"] == "made." and told[-1] == "painting: 3 of 3 frames"
    frames = np.load(services.store.find(film["url"].split("/")[2]).path)["frames"]
    np.testing.assert_array_equal(frames[:, :, :, 0], [[[0, 200]]] * 3)
    run = services.shelf.names("upscale")[0]
    assert line == f"digan paint --labels labels/ --out paint.npz --run {run} --copies 3 --chosen 4,5,6"
    assert "PaintRequest(" in code and str(services.store.folder) not in line + code
    (_, line, _, _), _ = made(services, method="plain")
    assert "--run" not in line


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"labels": None}, "Labels: draw something first."),
        ({"labels": DRAWING | {"labels": "AwM="}}, "Labels: has other labels than 0 to 2."),
        ({"copies": 10}, "10 frames: this studio draws at most 9"),
        ({"copies": 1.5}, "copies=1.5: must be a whole number."),
        ({"chosen": "x"}, "'x' is no list of whole numbers"),
        ({"suffix": "exe"}, "format: choose one of"),
    ],
)
def test_what_cannot_be_is_told(services, changes, message):
    (film, line, code, said), _ = made(services, **changes)
    assert (film, line, code, said["kind"]) == (None, "", "", "error") and message in said["text"]


def test_the_table(services, followed_run):
    """Each row names fields of its request, gives all that it needs, and leaves out what it draws without."""
    for tool in tools.TOOLS:
        fields = {field.name: field for field in dataclasses.fields(tool.request)}
        given = [each.field for each in tool.inputs]
        assert set(given) | {"out", "run", "step"} <= fields.keys()
        needed = {name for name, field in fields.items() if field.default is dataclasses.MISSING}
        assert needed <= {*given, "out", "run"} and set(tool.words) <= set(given)
    from digan_jax.studio import page

    assert page.offered(services) == [tool for tool in tools.TOOLS if "upscale" in tool.tasks]
    assert page.offered(services._replace(shelf=Shelf([str(followed_run)]))) == []


@pytest.mark.slow
def test_a_full_queue_is_told(browser, followed_run, upscaling_run, monkeypatch):
    """One film is being made, and one waits: no more than this studio lets wait."""
    may_end = threading.Event()
    blocked = dataclasses.replace(PAINT, run=lambda request, progress: may_end.wait(600) and paint(request, progress))
    monkeypatch.setattr(tools, "TOOLS", (blocked,))
    with serving(StudioRequest(runs=(str(followed_run), str(upscaling_run)), port=0, queue=1)) as address:
        page = Page(*browser, address)
        page.open("Paint")
        config = httpx.get(f"{address}config", timeout=60).json()
        parts = {part["id"]: part["props"] for part in config["components"]}
        [event] = [one for one in config["dependencies"] if one["queue"] and ["click"] == [kind for part, kind in
                   one["targets"] if parts.get(part, {}).get("elem_id") == "paint_draw"]]  # fmt: skip
        data = [DRAWING if parts[i].get("elem_id") == "paint_labels" else parts[i].get("value") for i in event["inputs"]]
        try:
            for session in ("first", "second"):
                body = {"fn_index": event["id"], "data": data, "session_hash": session}
                httpx.post(f"{address}gradio_api/queue/join", json=body, timeout=60).raise_for_status()
                page.until(lambda: "film" in [thread.name for thread in threading.enumerate()], "the first film")
            page.click("paint_draw")
            page.until(lambda: "too many films wait" in page.text("paint_message"))
        finally:
            may_end.set()


@pytest.mark.slow
def test_a_sketch_pad(browser, followed_run, upscaling_run, monkeypatch):
    from selenium.webdriver.common.action_chains import ActionChains
    from selenium.webdriver.common.keys import Keys

    monkeypatch.setattr(tools, "TOOLS", (PAINT,))
    with serving(StudioRequest(runs=(str(followed_run), str(upscaling_run)), port=0)) as address:
        page = Page(*browser, address)
        page.one("button[role=tab]:nth-of-type(2)").click()
        page.until(lambda: page.one("#paint_labels canvas").is_displayed())
        canvas = page.one("#paint_labels canvas")
        page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
        ActionChains(page.driver).click_and_hold(canvas).move_by_offset(60, 0).release().perform()
        page.one("#paint_labels select").send_keys("2")
        canvas.send_keys(Keys.ARROW_UP * 12 + " ")  # by keyboard, with the other label
        assert "row 4" in page.text("paint_labels")
        page.choose("paint_format", "npz")
        page.click("paint_draw")
        page.until(lambda: "made." in page.text("paint_message"))
        labels = np.load(page.saved("paint_film"))["frames"][0, :, :, 0] // 100
    assert labels.shape == (32, 32) and labels[16, 16] == labels[16, 19] == 1 and labels[4, 16] == 2
    assert 20 < (labels == 1).sum() < 120 and (labels[24:] == 0).all()
