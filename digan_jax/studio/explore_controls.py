"""The controls of the tab "Explore", as they stand on the page."""

from __future__ import annotations

from typing import NamedTuple

import gradio as gr

from digan_jax.studio import controls, widgets
from digan_jax.studio.services import Services
from digan_jax.studio.shelf import NEWEST

NONE = "nothing"
IDS = dict(precision=0)
EDITS = [f"edit_{kind}{i}" for kind in ("", "m") for i in range(controls.DIRECTIONS)]
LIVE_CONTROLS = {
    *("run", "step", "content", "motion", "truncation", "label", "time", "width", "height", "x0", "y0", "x1", "y1"),
    *("mode", "beside_step", *EDITS),
}  # fmt: skip


class Parts(NamedTuple):
    """The components of the tab.

    Attributes:
      controls: by name; `controls.of_clip` and `of_film` read their values.
      edits: the group of the sliders of edits.
    """

    controls: dict[str, gr.components.Component]
    buttons: dict[str, gr.Button]
    edits: gr.Accordion
    left: gr.HTML
    right: gr.HTML
    film_left: gr.HTML
    film_right: gr.HTML
    message: gr.HTML
    command: gr.HTML
    python: gr.HTML


def lay_out(services: Services) -> Parts:
    """Puts all on the page."""
    c: dict[str, gr.components.Component] = {}
    buttons: dict[str, gr.Button] = {}
    names = services.shelf.names()
    with gr.Row():
        c["run"] = gr.Dropdown(names, value=names[0], label="Run", elem_id="run", scale=2)
        c["step"] = gr.Dropdown([NEWEST], value=NEWEST, label="Step", elem_id="step")
        c["beside"] = gr.Dropdown([NONE, *names], value=NONE, label="Beside it", elem_id="beside", scale=2)
        c["beside_step"] = gr.Dropdown(
            [NEWEST], value=NEWEST, label="Step beside it", visible=False, elem_id="beside_step"
        )
    with gr.Row():
        with gr.Column(scale=3, min_width=320):
            with gr.Row():
                left = widgets.picture("Live frame", elem_id="left", min_width=240)
                right = widgets.picture(
                    "Live frame of the run beside it", elem_id="right", min_width=240, visible=False
                )
            c["time"] = gr.Slider(0, 2, 0, step=0.01, label="Time, in clips (0 to 1 was trained)", elem_id="time")
            _lay_out_buttons(c, buttons)
            message = widgets.status(elem_id="message")
            with gr.Row():
                film_left = widgets.result(elem_id="film_left", min_width=240)
                film_right = widgets.result(elem_id="film_right", min_width=240, visible=False)
        with gr.Column(scale=2, min_width=300):
            _lay_out_clip(c)
            _lay_out_picture(c)
            _lay_out_film(c, buttons)
            edits = _lay_out_edits(c)
    with gr.Accordion("The same in a shell and in Python", open=True):
        command = widgets.code("Command line", elem_id="command")
        python = widgets.code("Python", elem_id="python")
    return Parts(c, buttons, edits, left, right, film_left, film_right, message, command, python)


def _lay_out_buttons(c, buttons) -> None:
    with gr.Row():
        for name, text in (("next", "Another clip"), ("keep", "Keep"), ("clear", "Clear kept")):
            buttons[name] = gr.Button(text, size="sm", elem_id=name, min_width=90)
        for name, text in (("in", "Zoom in"), ("out", "Zoom out"), ("whole", "Whole frame")):
            buttons[name] = gr.Button(text, size="sm", elem_id=f"zoom_{name}", min_width=90)
    c["kept"] = widgets.kept(elem_id="kept")


def _lay_out_clip(c) -> None:
    with gr.Group():
        with gr.Row():
            c["content"] = gr.Number(0, label="Content id", elem_id="content", min_width=100, **IDS)
            c["motion"] = gr.Number(0, label="Motion id", elem_id="motion", min_width=100, **IDS)
        c["truncation"] = gr.Slider(
            0, 1.5, 1, step=0.05, label="Truncation (0: the average clip)", elem_id="truncation"
        )
        c["label"] = gr.Dropdown(
            [controls.RANDOM],
            value=controls.RANDOM,
            label="Class",
            visible=False,
            elem_id="label",
            num_choices_shown=None,
        )


def _lay_out_edits(c) -> gr.Accordion:
    with gr.Accordion("Edit directions", open=True, visible=False, elem_id="edits") as edits:
        for name in EDITS:
            kind, number = ("Motion", name[6:]) if name.startswith("edit_m") else ("Content", name[5:])
            c[name] = gr.Slider(
                -4, 4, 0, step=0.1, label=f"{kind} direction {number}, in deviations", visible=False, elem_id=name
            )
    return edits


def _lay_out_picture(c) -> None:
    with gr.Accordion("Picture", open=True):
        with gr.Row():
            sizes = dict(precision=0, min_width=90)
            c["width"] = gr.Number(128, label="Width", elem_id="width", **sizes)
            c["height"] = gr.Number(128, label="Height", elem_id="height", **sizes)
            c["mode"] = gr.Dropdown(
                ["auto", "native", "scaled", "smooth"], value="auto", label="Grid", elem_id="mode", min_width=130
            )
        with gr.Row():
            for name, value, text in (("x0", -1, "Left"), ("y0", -1, "Bottom"), ("x1", 1, "Right"), ("y1", 1, "Top")):
                c[name] = gr.Number(value, label=text, step=0.1, elem_id=name, min_width=70)
        gr.Markdown(
            "Drag a rectangle over the picture to zoom. The trained frame spans −1 to 1; beyond it the clip goes on."
        )


def _lay_out_film(c, buttons) -> None:
    with gr.Accordion("Film", open=True):
        kinds = [controls.CLIP, controls.WALK, controls.CROSS]
        c["film"] = gr.Radio(kinds, value=controls.CLIP, label="What", elem_id="film")
        with gr.Row():
            numbers = dict(min_width=90)
            c["frames"] = gr.Number(16, label="Frames", precision=0, elem_id="frames", **numbers)
            c["fps"] = gr.Number(8, label="Frames a second", elem_id="fps", **numbers)
            c["first"] = gr.Number(0, label="From time", step=0.1, elem_id="first", **numbers)
            c["last"] = gr.Number(1, label="To time", step=0.1, elem_id="last", **numbers)
        with gr.Row(visible=False) as walk:
            c["walk_of"] = gr.Radio(["both", "content", "motion"], value="both", label="Walk of", elem_id="walk_of")
            c["seconds"] = gr.Number(2, label="Seconds from one to the next", elem_id="seconds", **numbers)
        with gr.Row(visible=False) as cross:
            c["contents"] = gr.Number(3, label="Contents, from the id on", precision=0, elem_id="contents", **numbers)
            c["motions"] = gr.Number(3, label="Motions, from the id on", precision=0, elem_id="motions", **numbers)
        seen = lambda film: (gr.update(visible=film == controls.WALK), gr.update(visible=film == controls.CROSS))
        c["film"].change(seen, c["film"], [walk, cross], queue=False, show_progress="hidden")
        c["format"] = gr.Radio(list(controls.FORMATS), value="mp4", label="File", elem_id="format")
        with gr.Row():
            buttons["draw"] = gr.Button("Draw the film", variant="primary", elem_id="draw", min_width=120)
            buttons["cancel"] = gr.Button("Cancel", variant="stop", elem_id="cancel", min_width=90)
