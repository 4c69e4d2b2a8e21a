"""Parts of the page that Gradio does not have: live frame, film, kept clips, file to send, drawing of labels, message.

Each is a fixed piece of HTML and a script of assets/. Values are put in as text and addresses, never as HTML.
"""

from __future__ import annotations

import importlib.resources
from collections.abc import Sequence

import gradio as gr

from digan_jax.host.still_pictures import IMAGE_SUFFIXES
from digan_jax.host.video_reading import VIDEO_SUFFIXES


def asset(name: str) -> str:
    """The text of a file of assets/."""
    return importlib.resources.files("digan_jax.studio").joinpath("assets", name).read_text(encoding="utf-8")


def _widget(kind: str, html: str, value=None, **options) -> gr.HTML:
    return gr.HTML(
        value, html_template=html, js_on_load=asset(f"{kind}.js"), elem_classes=kind, padding=False, **options
    )


def picture(label: str, **options) -> gr.HTML:
    """A frame: {"src", "alt", "caption"}. Its event `draw` has the box that was drawn on it."""
    inside = '<div class="canvas"><img><div class="box" hidden></div></div><figcaption></figcaption>'
    return _widget("picture", f'<figure class="frame" aria-label="{label}">{inside}</figure>', **options)


def result(**options) -> gr.HTML:
    """A film: {"url", "name", "kind", "alt", "note"}; None: nothing yet."""
    inside = '<div class="shown"></div><p><a></a></p><p class="note"></p>'
    return _widget("result", f'<div class="result" hidden>{inside}</div>', **options)


def status(**options) -> gr.HTML:
    """A message: {"kind": "error" or "note", "text"}. Screen readers say it."""
    return _widget("status", '<p role="status"></p>', {}, **options)


def code(label: str, **options) -> gr.HTML:
    """Text to copy into a shell or a notebook."""
    inside = f'<h3>{label}</h3><pre tabindex="0" aria-label="{label}"><code></code></pre>'
    return _widget("code", f'{inside}<button type="button" disabled>Copy</button>', "", **options)


def kept(**options) -> gr.HTML:
    """Clips that were kept: [{"content", "motion", "src"}]."""
    empty = "<p>None yet. Keep clips to walk between them.</p>"
    return _widget("kept", f'<ol aria-label="Kept clips, content / motion"></ol>{empty}', [], **options)


def upload(label: str, pictures: bool = False, **options) -> gr.HTML:
    """A file that the client sends: {"token", "name"}."""
    accepted = ",".join(IMAGE_SUFFIXES if pictures else VIDEO_SUFFIXES)
    inside = f'<label>{label}<input type="file" accept="{accepted}"></label><p role="status"></p>'
    return _widget("upload", inside, **options)


def sketch(label: str, width: int, height: int, labels: Sequence[str], **options) -> gr.HTML:
    """A drawing of labels: {"width", "height", "labels"}; the last in base64, a byte for each pixel."""
    html = (
        f"<h3>{label}: draw with the mouse or a finger, or with arrows and space</h3>"
        f'<canvas tabindex="0" role="application" aria-label="{label}: arrow keys move, space draws"></canvas>'
        "<label>Label <select></select></label>"
        '<label>Brush <input type="range" min="1" max="16" value="4"></label>'
        '<button type="button">Clear</button><p role="status"></p>'
    )
    return _widget("sketch", html, None, width=width, height=height, labels=list(labels), **options)


def note(text: str) -> dict:
    return {"kind": "note", "text": text}


def error(text: object) -> dict:
    return {"kind": "error", "text": str(text)}
