"""What the house does to a clip, a row for each verb: the request, its job and the controls of its fields.

A row is offered where the studio has a model of one of its tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

from digan_jax.interop import opening
from digan_jax.jobs import animate, complete, denoise, interpolate, predict, stylize, translate, upscale
from digan_jax.jobs.requests import Request


class Input(NamedTuple):
    """The control of a field of the request. A control that is left empty, or at 0 without a `value` at first,
    leaves the field at its default.

    Attributes:
      kind: "video", "picture": a file that the client sends. "sketch", "lines": a drawing of labels, or of lines, a
        folder with one PNG. "number", "whole", "check"; "numbers": a list such as 4-7,9; "one": a list of the one
        number that is given, since a film is one file; "degree": of one in [0, 1], a slider; "choice" of `choices`.
      value: at first.
    """

    field: str
    label: str
    kind: Literal["video", "picture", "sketch", "lines", "number", "whole", "numbers", "one", "degree", "check", "choice"]
    value: object = None
    choices: tuple[str, ...] = ()


class Shape(NamedTuple):
    """Of a film that is to be made."""

    width: int
    height: int
    frames: int


@dataclasses.dataclass(frozen=True)
class Tool:
    """A verb that makes a film of what a client gives.

    Attributes:
      tasks: of the models that it needs.
      run: (request, progress): writes the request's `out`.
      shape: of the film of a request, to hold it against the limits; reads what is given.
      words: fields that the command line takes without a flag.
      free: values of the field `method` that need no model.
      title: of the tab; "": the verb.
    """

    verb: str
    tasks: tuple[str, ...]
    request: type[Request]
    run: Callable
    shape: Callable[[Request], Shape]
    inputs: tuple[Input, ...]
    words: tuple[str, ...] = ()
    free: tuple[str, ...] = ()
    title: str = ""

    @property
    def tab(self) -> str:
        return self.title or self.verb.capitalize()

    @property
    def mark(self) -> str:
        """What the ids of the tab's parts begin with."""
        return self.tab.lower().replace(" ", "_")


VIDEO = Input("video", "Video", "video")
FPS = Input("fps", "Frames a second (0: the video's)", "number")
ID = Input("id", "Id of the details", "whole", 0)


def _restored(works: Callable) -> Callable[[Request], Shape]:
    """The shape of the film of a job on a video, by the work or works that it would do."""

    def shape(request) -> Shape:
        found = works(request)
        found = (found[0] if isinstance(found, list) else found).shape
        return Shape(*found.size, len(found.places))

    return shape


def _translated(request: translate.TranslateRequest) -> Shape:
    found = translate.Translation.of(request)
    return Shape(*found.size, len(found.places))


def _animated(request: animate.AnimateRequest) -> Shape:
    side = opening.look(request.run, request.step).config.resolution
    return Shape(*(request.size or (side, side)), request.frames)


def _method(*choices: str) -> Input:
    return Input("method", "Method", "choice", choices[0], choices=choices)


TOOLS = (
    Tool(
        "upscale", ("upscale",), upscale.UpscaleRequest, upscale.run, _restored(upscale.work),
        (VIDEO, Input("scale", "Scale", "number", 4), FPS, _method("model", "bicubic", "lanczos"), ID),
        ("video",), ("bicubic", "lanczos"),
    ),
    Tool(
        "interpolate", ("interpolate",), interpolate.InterpolateRequest, interpolate.run,
        _restored(interpolate.work),
        (VIDEO, Input("factor", "Frames for each", "number", 4), Input("slow", "Slow motion", "check"),
         _method("inr", "flow", "blend"), ID),
        ("video",), ("flow", "blend"),
    ),
    Tool(
        "complete", ("complete",), complete.CompleteRequest, complete.run, _restored(complete.work),
        (VIDEO, Input("missing", "Lost frames, such as 4-7", "numbers"), _method("model", "blend", "inpaint"), ID),
        ("video",), ("blend", "inpaint"),
    ),
    Tool(
        "denoise", ("denoise",), denoise.DenoiseRequest, denoise.run, _restored(denoise.work),
        (VIDEO, Input("sigma", "Noise in grey levels (0: estimated)", "number"), _method("model", "nlm", "mean"), ID),
        ("video",), ("nlm", "mean"),
    ),
    Tool(
        "predict", ("predict",), predict.PredictRequest, predict.run, _restored(predict.works),
        (VIDEO, Input("frames", "Frames to come", "whole", 16), Input("past", "The video comes first", "check", True),
         _method("model", "last"), ID),
        ("video",), ("last",),
    ),
    Tool(
        "stylize", ("stylize",), stylize.StylizeRequest, stylize.run, _restored(stylize.work),
        (VIDEO, Input("degree", "Degree (0: as it is)", "degree", 1.0), Input("preview", "First frame alone", "check"), ID),
        ("video",),
    ),
    Tool(
        "animate", ("animate",), animate.AnimateRequest, animate.run, _animated,
        (Input("still", "Picture", "picture"), Input("ids", "Motion id", "one", 0),
         Input("frames", "Frames", "whole", 16), Input("fps", "Frames a second", "number", 8)),
        ("still",),
    ),
    Tool(
        "translate", ("translate",), translate.TranslateRequest, translate.run, _translated,
        (Input("labels", "Labels", "sketch"), Input("style_id", "Style", "whole"), ID),
    ),
    Tool(
        "translate", ("edges",), translate.TranslateRequest, translate.run, _translated,
        (Input("edges", "Drawing", "lines"), ID), title="Draw",
    ),
)  # fmt: skip
