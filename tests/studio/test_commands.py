"""What the page shows beside a film makes the same film: it parses to the same request."""

import contextlib
import io
import shlex

import pytest

from digan_jax import cli
from digan_jax.jobs.animate import AnimateRequest
from digan_jax.jobs.complete import CompleteRequest
from digan_jax.jobs.denoise import DenoiseRequest
from digan_jax.jobs.interpolate import InterpolateRequest
from digan_jax.jobs.predict import PredictRequest
from digan_jax.jobs.render_request import RenderRequest
from digan_jax.jobs.stylize import StylizeRequest
from digan_jax.jobs.translate import TranslateRequest
from digan_jax.jobs.upscale import UpscaleRequest
from digan_jax.studio import commands, tools
from digan_jax.verbs import arguments, render

RENDERS = [
    RenderRequest("runs/a", "clip.mp4"),
    RenderRequest(
        "my runs/it's", "a.gif", step=8, ids=(3,), motion_ids=(7,), truncation=0.85, size=(640, 360), fps=12.5
    ),
    RenderRequest("r", "a.npz", region=(-2, -1.5, 1, 1), size=(8, 8), mode="smooth", frames=40, span=(0, 2.25)),
    RenderRequest("r", "a.png", ids=(3, 4), motion_ids=(7, 8, 9), cross=True, sheet=(3, 2), span=(1, -1)),
    RenderRequest("r", "a.mp4", walk=(3, 5), motion_ids=(3, 9), walk_of="both", seconds=0.5, label=("ice skating",)),
    RenderRequest("r", "a.mp4", edit=(("3", 2.0), ("m1", -1.5)), directions="d.npz"),
]


def parsed(line):
    words = shlex.split(line)
    assert words[0] == "digan"
    return cli.make_parser().parse_args(arguments.glue_values(words[1:]))


@pytest.mark.parametrize("request_", RENDERS, ids=range(len(RENDERS)))
def test_renders(request_):
    assert render._request(parsed(commands.command_line("render", request_))) == request_


OTHERS = [
    ("upscale", UpscaleRequest("my clip.mp4", "large.mp4", run="runs/up", scale=2.5, fps=60)),
    ("interpolate", InterpolateRequest("a.mp4", "b.mp4", method="blend", factor=3, slow=True)),
    ("complete", CompleteRequest("a.mp4", "b.mp4", run="r", missing=(4, 5, 9))),
    ("denoise", DenoiseRequest("a.mp4", "b.mp4", run="r", sigma=7.5)),
    ("predict", PredictRequest("a.mp4", "b.mp4", method="last", frames=3, past=False)),
    ("stylize", StylizeRequest("a.mp4", "b.mp4", run="r", degree=(0.25, 1.0), preview=True)),
    ("animate", AnimateRequest("a.png", "r", "b.mp4", ids=(3,), frames=4, fps=12)),
    ("translate", TranslateRequest("r", "b.mp4", labels="labels/", style_id=2, id=1)),
    ("translate", TranslateRequest("r", "b.mp4", edges="edges/")),
]


@pytest.mark.parametrize("verb, made", OTHERS, ids=range(len(OTHERS)))
def test_other_verbs(verb, made):
    [words] = {tool.words for tool in tools.TOOLS if tool.verb == verb}
    a = parsed(commands.command_line(verb, made, words))
    assert type(made)(**arguments.given(a, type(made))) == made


@pytest.mark.parametrize("request_", RENDERS, ids=range(len(RENDERS)))
def test_python(request_, monkeypatch):
    import digan_jax as digan

    seen = []
    monkeypatch.setattr(digan, "render", seen.append, raising=False)
    with contextlib.redirect_stdout(io.StringIO()):
        exec(commands.python("render", request_), {})
    assert seen == [request_]
