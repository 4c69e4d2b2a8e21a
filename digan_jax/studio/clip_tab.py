"""A tab for each row of `tools`: what the client gives, the fields of the request, and the film that is made."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from digan_jax.errors import InputError
from digan_jax.host.number_lists import whole_numbers
from digan_jax.host.progress import Cancelled
from digan_jax.studio import commands, controls, given, programs, widgets, work
from digan_jax.studio.controls import FORMATS
from digan_jax.studio.services import Services
from digan_jax.studio.shelf import NEWEST
from digan_jax.studio.tools import Input, Tool


def build(tool: Tool, services: Services) -> None:
    """Lays out the tab of a tool and connects it."""
    names = [name for task in tool.tasks for name in services.shelf.names(task)]
    mark = lambda name: f"{tool.mark}_{name}"
    with gr.Row():
        with gr.Column(scale=2, min_width=300):
            with gr.Row():
                run = gr.Dropdown(names, value=names[0], label="Run", elem_id=mark("run"), scale=2)
                step = gr.Dropdown(services.shelf.steps(names[0]), value=NEWEST, label="Step", elem_id=mark("step"))
            parts = {each.field: _control(each, mark(each.field), services, names[0]) for each in tool.inputs}
            suffix = gr.Radio(list(FORMATS), value="mp4", label="File", elem_id=mark("format"))
            with gr.Row():
                draw = gr.Button(tool.tab, variant="primary", elem_id=mark("draw"), min_width=120)
                cancel = gr.Button("Cancel", variant="stop", elem_id=mark("cancel"), min_width=90)
            message = widgets.status(elem_id=mark("message"))
        with gr.Column(scale=3, min_width=320):
            film = widgets.result(elem_id=mark("film"))
            command = widgets.code("Command line", elem_id=mark("command"))
            python = widgets.code("Python", elem_id=mark("python"))

    def make(data, request: gr.Request):
        values = {name: data[part] for name, part in parts.items()}
        asked, session = (data[run], data[step], data[suffix]), request.session_hash
        job = lambda tell: film_of(tool, services, values, asked, session, tell)
        for done, value in work.watched(job, lambda: services.desk.cancel(session)):
            yield value if done else (*[gr.skip()] * 3, widgets.note(value))

    def stop(request: gr.Request):
        services.desk.cancel(request.session_hash)
        return widgets.note("cancelled; nothing was kept.")

    inputs, outputs = {run, step, suffix, *parts.values()}, [film, command, python, message]
    waiting = lambda: widgets.note("waiting for its turn …")
    draw.click(waiting, None, message, queue=False, show_progress="hidden")
    drawing = draw.click(
        work.as_generator(make),
        inputs,
        outputs,
        concurrency_id="work",
        concurrency_limit=1,
        show_progress="minimal",
        trigger_mode="multiple",  # a cancelled event would count as pending for ever
        show_progress_on=[message],
    )
    drawing.failure(lambda: widgets.error(work.NOT_BEGUN), None, message, queue=False, show_progress="hidden")
    cancel.click(stop, None, message, queue=False, cancels=[drawing])
    drawings = {part: each.kind for each, part in zip(tool.inputs, parts.values()) if each.kind in ("sketch", "lines")}

    def chosen(name):
        steps = gr.update(choices=services.shelf.steps(name), value=NEWEST)
        return {step: steps} | {part: gr.update(**_pad(kind, services, name)) for part, kind in drawings.items()}

    run.change(chosen, run, [step, *drawings], queue=False, show_progress="hidden")


def _control(each: Input, mark: str, services: Services, run: str):
    known = dict(label=each.label, elem_id=mark)
    if each.kind in ("video", "picture"):
        return widgets.upload(each.label, each.kind == "picture", elem_id=mark)
    if each.kind in ("sketch", "lines"):
        return widgets.sketch(each.label, elem_id=mark, **_pad(each.kind, services, run))
    if each.kind == "degree":
        return gr.Slider(0, 1, value=each.value, step=0.05, **known)
    if each.kind == "check":
        return gr.Checkbox(bool(each.value), **known)
    if each.kind == "numbers":
        return gr.Textbox(each.value, max_length=200, **known)
    if each.kind == "choice":
        return gr.Radio(list(each.choices), value=each.value, **known)
    precision = 0 if each.kind in ("whole", "one") else None
    return gr.Number(each.value, precision=precision, **known)


def _pad(kind: str, services: Services, run: object) -> dict:
    """Size and labels of a pad to draw on, for a run."""
    config = services.shelf.config(run)
    names = ["rubber", "line"] if kind == "lines" else ["0: ground", *map(str, range(1, config.condition_planes))]
    return dict(width=config.resolution, height=config.resolution, labels=names)


def film_of(tool: Tool, services: Services, values: Mapping, asked: tuple, session: str | None, tell):
    """(film, command, Python, message): makes the film by the tool's job, with what the client gave."""
    try:
        with services.desk.progress(session, tell) as steps:
            request, shown = request_of(tool, services, values, *asked)
            shape = tool.shape(request)
            services.limits.check_film(*shape)
            programs.note(tool.verb, request.run, shape)
            suffix = "." + asked[2]
            job = lambda path: tool.run(type(request)(**vars(request) | {"out": str(path)}), steps)
            film = work.made(services.store, suffix, request.out, job, f"the result of {tool.verb}")
    except InputError as error:
        return None, "", "", widgets.error(_without_paths(error, services))
    except Cancelled:
        return None, "", "", widgets.note("cancelled; nothing was kept.")
    line = commands.command_line(tool.verb, shown, tool.words)
    return film, line, commands.python(tool.verb, shown), widgets.note("made.")


def request_of(tool: Tool, services: Services, values: Mapping, run: object, step: object, suffix: object):
    """(request, the same with the client's own names of files in place of the store's).

    Raises:
      InputError: a file is missing or unusable, or a value is impossible.
    """
    if suffix not in FORMATS:
        raise InputError(f"format: choose one of {list(FORMATS)}.")
    fields, names = {"out": f"{tool.verb}.{suffix}"}, {}
    for each in tool.inputs:
        value = values[each.field]
        if each.kind in ("video", "picture"):
            path, names[each.field] = given.file_of(services.store, value, each.label)
            given.check_video(path, names[each.field], services.limits)
            fields[each.field] = str(path)
        elif each.kind in ("sketch", "lines"):
            pad, bright = _pad(each.kind, services, run), 255 if each.kind == "lines" else 1
            fields[each.field] = str(given.drawn(services.store, value, each.label, len(pad["labels"]), bright))
            names[each.field] = f"{each.field}/"
        elif each.kind == "one" and value is not None:
            fields[each.field] = (controls.whole(values, each.field),)
        elif each.kind == "degree":
            fields[each.field] = (controls.number(values, each.field),)
        elif each.kind == "numbers" and value:
            fields[each.field] = tuple(whole_numbers(value))
        elif each.kind == "numbers" or (each.value is None and not value):  # Gradio sends 0 for an empty number
            continue
        elif value is not None:
            fields[each.field] = float(value) if each.kind == "number" else value
    if fields.get("method") not in tool.free:
        fields |= {"run": services.shelf.entry(run).name, "step": services.shelf.step(run, step)}
    request = tool.request(**fields)
    return request, tool.request(**fields | names)


def _without_paths(error: InputError, services: Services) -> str:
    """The message without the store's folder, which tells a client nothing."""
    return str(error).replace(f"{services.store.folder}/", "")
