import dataclasses
import json

import pytest

from digan_jax.errors import InputError
from digan_jax.jobs.evaluate import EvaluateRequest
from digan_jax.jobs.pairs import PairsRequest
from digan_jax.jobs.prepare import PrepareRequest

REQUESTS = [
    EvaluateRequest("runs/a", real="sky", protocol="digan,quick", step="best", size=64, references=False),
    EvaluateRequest("clips", step=3, cache=None, c3d="a.npz", c3d_mean="b.npz"),
    PairsRequest("a", "b", lpips=("x.pth", "y.pth")),
    PrepareRequest("clips", "sky", 64, val_fraction=0.25, beam_options=("--runner=DirectRunner",)),
]


def record(**fields):
    return json.dumps({"format": 1, **fields})


@pytest.mark.parametrize("request_", REQUESTS)
def test_through_json_and_back(request_):
    again = type(request_).from_json(request_.to_json())
    assert again == request_ and hash(again) == hash(request_)
    with pytest.raises(dataclasses.FrozenInstanceError):
        again.size = 1


@pytest.mark.parametrize(
    "make, message",
    [
        (lambda: EvaluateRequest(""), "^fake='': name a run"),
        (lambda: EvaluateRequest("a", size=0), "^size=0: must be 1"),
        (lambda: EvaluateRequest("a", size="64"), "^size='64': must be a whole number or None"),
        (lambda: EvaluateRequest("a", size=True), "^size=True: must be a whole number"),
        (lambda: EvaluateRequest("a", references=1), "^references=1: must be True or False"),
        (lambda: EvaluateRequest("a", kind="film"), "^kind='film': must be one of"),
        (lambda: EvaluateRequest("a", step="last"), "^step='last': must be a whole number or 'best'"),
        (lambda: EvaluateRequest("a", protocol="fvd"), "unknown protocol 'fvd'"),
        (lambda: EvaluateRequest("a", c3d="x"), "^`c3d` and `c3d_mean` go together"),
        (lambda: PairsRequest("a", "b", lpips=("a", "b", "c")), "^lpips=.*3 files"),
        (lambda: PrepareRequest("a", "sky", val_fraction=2.0), "^val_fraction=2.0: must lie in"),
        (lambda: PrepareRequest("a", "sky", workers=-1), "^workers=-1: must be 0 or more"),
        (lambda: PrepareRequest("a", "Sky"), "^name='Sky'"),
        (lambda: PrepareRequest.from_json("[]"), "PrepareRequest: .* is no record"),
        (lambda: PrepareRequest.from_json("{"), "PrepareRequest: is no JSON"),
        (lambda: PrepareRequest.from_json(record(source="a", name="sky", colour=1)), "colour"),
        (lambda: PrepareRequest.from_json(record(source="a", name="sky", frames=1)), "^frames=1"),
        (lambda: EvaluateRequest.from_json(record(real="sky")), "^EvaluateRequest: fake must be given"),
    ],
)
def test_what_cannot_be_is_told_when_a_request_is_made(make, message):
    with pytest.raises(InputError, match=message):
        make()
