"""The tab "Explore": a clip under all its controls, with a live frame, and films of it."""

from __future__ import annotations

from collections.abc import Mapping

import gradio as gr

from digan_jax.errors import InputError
from digan_jax.grids import FULL
from digan_jax.host.progress import Cancelled
from digan_jax.jobs import render
from digan_jax.rendering.model import Model
from digan_jax.rendering.sampler import Sampler
from digan_jax.studio import commands, controls, explore_controls, live, programs, widgets, work
from digan_jax.studio.explore_controls import NONE, Parts
from digan_jax.studio.services import Services
from digan_jax.studio.shelf import NEWEST

KEPT = 12  # clips at most

LIVE = dict(queue=False, show_progress="hidden", trigger_mode="always_last")


def build(page: gr.Blocks, services: Services) -> None:
    """Lays out the tab and connects its controls."""
    parts = explore_controls.lay_out(services)
    c = parts.controls
    inputs = set(c.values())
    named = lambda data: {name: data[component] for name, component in c.items()}

    def frames(data):
        return pictures(services, named(data))

    moving = [component.change for name, component in c.items() if name in explore_controls.LIVE_CONTROLS]
    gr.on([page.load, *moving], frames, inputs, [parts.left, parts.right, parts.message], **LIVE)
    chosen = [c["step"], c["label"], *(c[name] for name in explore_controls.EDITS), parts.edits]
    chosen += [c["width"], c["height"]]
    gr.on([page.load, c["run"].change], lambda run: of_run(services, run), c["run"], chosen, **LIVE)
    beside = c["beside"].change(lambda run: steps_of(services, run), c["beside"], c["beside_step"], **LIVE)
    beside.then(frames, inputs, [parts.left, parts.right, parts.message], **LIVE)
    _connect_region(parts)
    _connect_kept(services, parts, named, inputs)
    _connect_film(services, parts, named, inputs)


def _connect_region(parts: Parts) -> None:
    c = parts.controls
    corners = [c[name] for name in ("x0", "y0", "x1", "y1")]

    def draw(x0, y0, x1, y1, event: gr.EventData):
        try:
            return controls.zoomed((x0, y0, x1, y1), event.box)
        except (InputError, AttributeError, TypeError):
            return x0, y0, x1, y1

    grown = lambda *r: controls.zoomed(r, [-0.5, -0.5, 1.5, 1.5])
    shrunk = lambda *r: controls.zoomed(r, [0.25, 0.25, 0.75, 0.75])
    for picture in (parts.left, parts.right):
        picture.draw(draw, corners, corners, **LIVE)
    parts.buttons["whole"].click(lambda: FULL, None, corners, **LIVE)
    parts.buttons["out"].click(grown, corners, corners, **LIVE)
    parts.buttons["in"].click(shrunk, corners, corners, **LIVE)


def _connect_kept(services: Services, parts: Parts, named, inputs) -> None:
    c, buttons = parts.controls, parts.buttons

    def keep(data):
        kept, values = known_clips(data[c["kept"]]), named(data)
        if len(kept) >= KEPT:
            return gr.skip(), widgets.error(f"{KEPT} clips are kept already; clear them, or walk through these.")
        try:
            seen = picture(services, values, values["run"], values["step"])
        except InputError as error:
            return gr.skip(), widgets.error(error)
        clip = {name: controls.whole(values, name) for name in ("content", "motion")}
        return [*kept, clip | {"src": seen["src"]}], widgets.note(f"kept; {len(kept) + 1} clips.")

    buttons["keep"].click(keep, inputs, [c["kept"], parts.message], **LIVE)
    buttons["clear"].click(lambda: ([], widgets.note("no clips are kept.")), None, [c["kept"], parts.message], **LIVE)
    another = lambda content: ((content or 0) + 1,) * 2
    buttons["next"].click(another, c["content"], [c["content"], c["motion"]], **LIVE)


def known_clips(kept: object) -> list[dict]:
    """Kept clips as a client sent them, with nothing in them that is not ours."""
    clips = [clip for clip in kept if isinstance(clip, Mapping)] if isinstance(kept, list) else []
    return [{"content": c.get("content"), "motion": c.get("motion"), "src": str(c.get("src"))} for c in clips]


def _connect_film(services: Services, parts: Parts, named, inputs) -> None:
    def draw(data, request: gr.Request):
        session = request.session_hash
        job = lambda tell: films(services, named(data), session, tell)
        for done, value in work.watched(job, lambda: services.desk.cancel(session)):
            yield value if done else (*[gr.skip()] * 4, widgets.note(value))

    def cancel(request: gr.Request):
        services.desk.cancel(request.session_hash)
        return widgets.note("cancelled; nothing was kept.")

    parts.buttons["draw"].click(lambda: widgets.note("waiting for its turn …"), None, parts.message, **LIVE)
    outputs = [parts.film_left, parts.film_right, parts.command, parts.python, parts.message]
    drawing = parts.buttons["draw"].click(
        work.as_generator(draw),
        inputs,
        outputs,
        concurrency_id="work",
        concurrency_limit=1,
        show_progress="minimal",
        trigger_mode="multiple",  # a cancelled event would count as pending for ever
        show_progress_on=[parts.message],
    )
    drawing.failure(lambda: widgets.error(work.NOT_BEGUN), None, parts.message, **LIVE)
    parts.buttons["cancel"].click(cancel, None, parts.message, queue=False, cancels=[drawing])


def of_run(services: Services, name: object):
    """Updates of the controls that depend on the run: steps, classes, sliders of edits, and the size for a family that
    draws best at that of its training."""
    try:
        model = services.shelf.open(name, None)
        found = services.shelf.directions(name, model)
    except InputError:
        return [gr.update() for _ in range(5 + len(explore_controls.EDITS))]
    n_classes = getattr(model.config, "n_classes", 0)
    classes = [controls.RANDOM, *(model.class_names or range(n_classes))]
    count = len(found[1].content) if found else 0
    sliders = [gr.update(value=0, visible=int(edit.lstrip("edit_m")) < count) for edit in explore_controls.EDITS]
    return [
        *steps_of(services, name, alone=False),
        gr.update(choices=classes, value=controls.RANDOM, visible=n_classes > 0),
        *sliders,
        gr.update(visible=count > 0),
        *[gr.update() if isinstance(model, Model) else gr.update(value=model.config.resolution) for _ in "wh"],
    ]


def steps_of(services: Services, name: object, alone: bool = True):
    """The update of a step control for a run."""
    known = [] if name in (None, NONE) else services.shelf.steps(name)
    update = gr.update(choices=known or [NEWEST], value=NEWEST, visible=bool(known))
    return update if alone else [update]


def pictures(services: Services, values: Mapping):
    """(picture, picture beside it, message) for the values of the controls."""
    shown = [gr.update(), gr.update(visible=False)]
    try:
        shown[0] = picture(services, values, values["run"], values["step"])
        if values["beside"] != NONE:
            value = picture(services, values, values["beside"], values["beside_step"])
            shown[1] = gr.update(visible=True, value=value)
    except InputError as error:
        return *shown, widgets.error(error)
    return *shown, {}


def picture(services: Services, values: Mapping, name: object, chosen_step: object) -> dict:
    """The live frame of one model."""
    step = services.shelf.step(name, chosen_step)
    model = services.shelf.open(name, step)
    directions = directions_of(services, values, name, model)
    request = controls.of_clip(values, name, step, directions and directions[0])
    services.limits.check_film(*request.size, 1)
    when = controls.number(values, "time")
    return live.shown(model, request, when, directions and directions[1])


def directions_of(services: Services, values: Mapping, name: object, model: Sampler):
    """As `Shelf.directions`, if the controls ask for an edit: finding some takes a while."""
    return services.shelf.directions(name, model) if controls.edits_of(values) else None


def films(services: Services, values: Mapping, session: str | None, tell):
    """(film, film beside it, command, Python, message): draws by the same request as `digan render`."""
    names = [(values["run"], values["step"])]
    if values["beside"] != NONE:
        names.append((values["beside"], values["beside_step"]))
    made, told, requests = [None, None], {}, []
    try:
        with services.desk.progress(session, tell) as steps:
            for i, (name, chosen_step) in enumerate(names):
                suffix = "." + str(values["format"])
                if values["format"] not in controls.FORMATS:
                    raise InputError(f"format: choose one of {list(controls.FORMATS)}.")
                stem = "clip" if len(names) == 1 else f"clip_{'ab'[i]}"
                step = services.shelf.step(name, chosen_step)
                directions = directions_of(services, values, name, services.shelf.open(name, step))
                given = values, name, step, directions and directions[0]
                requests.append(controls.of_film(*given, stem + suffix, services.limits))
                made[i] = work.made(services.store, suffix, stem + suffix, draws(requests[-1], steps), _words(values))
        told = widgets.note("drawn.")
    except InputError as error:
        told = widgets.error(error)
    except Cancelled:
        told = widgets.note("cancelled; nothing was kept.")
    lines = "\n".join(commands.command_line("render", request) for request in requests)
    codes = "\n".join(commands.python("render", request) for request in requests)
    return made[0], gr.update(value=made[1], visible=len(names) > 1), lines, codes, told


def draws(request, progress):
    """A job for `work.made`: the request, with its file at the path that it is given."""

    def job(path):
        own = type(request)(**vars(request) | {"out": str(path)})
        programs.note(own.run, own.size, own.mode, own.frames, own.walk and len(own.walk), len(own.ids))
        render.run(own, progress)

    return job


def _words(values: Mapping) -> str:
    return f"{values['film']}: content {values['content']}, motion {values['motion']}"
