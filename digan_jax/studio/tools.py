"""What the house does to a clip, a row for each verb: the request, its job and the controls of its fields.

A row is offered where the studio has a model of one of its tasks.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Literal, NamedTuple

from digan_jax.jobs import upscale
from digan_jax.jobs.requests import Request


class Input(NamedTuple):
    """The control of a field of the request. A control that is left empty, or at 0 without a `value` at first,
    leaves the field at its default.

    Attributes:
      kind: "video", "picture": a file that the client sends. "sketch": a drawing of labels, a folder with one PNG.
        "number", "whole", "check"; "numbers": a list such as 4-7,9; "choice" of `choices`.
      value: at first.
    """

    field: str
    label: str
    kind: Literal["video", "picture", "sketch", "number", "whole", "numbers", "check", "choice"]
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
    """

    verb: str
    tasks: tuple[str, ...]
    request: type[Request]
    run: Callable
    shape: Callable[[Request], Shape]
    inputs: tuple[Input, ...]
    words: tuple[str, ...] = ()
    free: tuple[str, ...] = ()


def _upscaled(request: upscale.UpscaleRequest) -> Shape:
    shape, _ = upscale.shape_of(request)
    return Shape(*shape.size, len(shape.places))


TOOLS = (
    Tool(
        "upscale",
        ("upscale",),
        upscale.UpscaleRequest,
        upscale.run,
        _upscaled,
        (
            Input("video", "Video to enlarge", "video"),
            Input("scale", "Scale", "number", 4),
            Input("fps", "Frames a second (0: the video's)", "number"),
            Input("method", "Method", "choice", "model", choices=("model", "bicubic", "lanczos")),
            Input("id", "Id of the details", "whole", 0),
        ),
        ("video",),
        ("bicubic", "lanczos"),
    ),
)
