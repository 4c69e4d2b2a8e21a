"""A render request: checked when it is made, the same after JSON, and the same from a shell as from Python."""

import dataclasses
import json
import re
import shlex
import typing

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.host import video_formats
from digan_jax.jobs.render_request import MADE_ANEW, RenderRequest, broadcast
from digan_jax.rendering import tiles, timeline, walks
from digan_jax.verbs import render as verb

numbers = st.floats(allow_nan=False, allow_infinity=False)
above_0 = st.floats(min_value=0, exclude_min=True, allow_infinity=False)
ids = st.lists(st.integers(0, 2**31 - 1), min_size=1, max_size=4).map(tuple)
low, high = st.floats(-3, 0), st.floats(0.1, 3)
region = st.tuples(low, low, high, high)
keys = st.lists(st.tuples(numbers, region), min_size=1, max_size=3, unique_by=lambda key: key[0]).map(sorted).map(tuple)
fields = st.fixed_dictionaries(
    {},
    optional={
        "step": st.none() | st.just("best") | st.integers(0),
        "ids": ids,
        "label": st.just("all") | st.text().map(lambda name: (name,)),
        "truncation": numbers,
        "seed": st.integers(0, 2**32 - 1),
        "sheet": st.tuples(st.integers(1, 9), st.integers(1, 9)),
        "fps": st.floats(0.001, 1e6),
        "duration": above_0,
        "slow": st.integers(1, 9),
        "span": st.tuples(numbers, numbers),
        "size": st.tuples(st.integers(1, 9999), st.integers(1, 9999)),
        "path": keys,
        "mode": st.sampled_from([None, *tiles.MODES]),
        "levels": st.none() | st.integers(),
        "resume": st.booleans(),
        "process_count": st.integers(1, 9),
    },
)


@settings(deadline=None, derandomize=True)
@given(fields)
def test_json_gives_a_request_back(chosen):
    request = RenderRequest("runs/a", "a.mp4", **chosen)
    assert RenderRequest.from_json(request.to_json()) == request
    json.dumps(request.to_record(), allow_nan=False)


def test_what_says_the_same_is_the_same(tmp_path):
    plain = RenderRequest(str(tmp_path), "a.npz", ids=(0, 1, 2), times=(0.0, 0.5, 1.0), truncation=1.0)
    arrays = RenderRequest(tmp_path, "a.npz", ids=np.arange(3), times=np.linspace(0, 1, 3), truncation=np.float32(1))
    lists = RenderRequest(str(tmp_path), "a.npz", ids=range(3), times=[0, 0.5, 1], truncation=1)
    assert plain == arrays == lists
    assert plain.to_json() == arrays.to_json() == lists.to_json()


def test_a_request_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        RenderRequest("r", "a.mp4").ids = (1,)


def record(**changes):
    return {**RenderRequest("r", "a.mp4").to_record(), **changes}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("{", "is no JSON"),
        ("[]", "is no record"),
        (json.dumps(record(idz=[1])), "unknown field 'idz'; did you mean ids"),
        (json.dumps(record(format=2)), "format 2.*newer digan-jax"),
        (json.dumps(record(format="x")), "format 'x'; this digan-jax reads format 1"),
        (json.dumps({"format": 1, "run": "r"}), "out must be given"),
        (json.dumps(record(ids="3")), "ids='3': must be a list, each a whole number"),
        (json.dumps(record(ids=3)), "ids=3: must be a list"),
        (json.dumps(record(ids=[1.5])), r"ids=\[1.5\]: must be"),
        (json.dumps(record(ids=[True])), r"ids=\[True\]: must be"),
        (json.dumps(record(frames=None)), "frames=None: must be a whole number"),
        (json.dumps(record(fps="8")), "fps='8': must be a number"),
        (json.dumps(record(cross=1)), "cross=1: must be True or False"),
        (json.dumps(record(walk_of="all")), r"walk_of='all': must be one of \['both', 'content', 'motion'\]"),
        (json.dumps(record(size=[4])), r"size=\[4\]: must be 2, each a whole number or None"),
        (json.dumps(record(fps=float("nan"))), "fps=nan: must be a number above 0"),
    ],
)
def test_what_is_no_request_is_refused(text, message):
    with pytest.raises(InputError, match=message):
        RenderRequest.from_json(text)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (dict(ids=()), r"ids=\(\): needs one"),
        (dict(ids=[-1]), r"ids=\(-1,\): ids are whole numbers"),
        (dict(mix=[2**31, 1], layers=[0]), "mix=.*: ids are whole numbers"),
        (dict(seed=-1), "seed=-1"),
        (dict(truncation=float("inf")), "truncation=inf"),
        (dict(sheet=(0, 1)), r"sheet=\(0, 1\)"),
        (dict(size=(4, 0)), r"size=\(4, 0\)"),
        (dict(slow=0), "slow=0"),
        (dict(duration=1, times=[0, 1]), "`duration`.*`span`"),
        (dict(walk=[1, 2], sheet=(2, 1)), "`walk` makes one film.*`sheet` and `cross`"),
        (dict(path=[(1, (0, 0, 1, 1)), (0, (0, 0, 1, 1))]), "path.*later"),
        (dict(path=[(0, (0, 0, 0, 1))]), "x0 < x1"),
        (dict(process_id=2, process_count=2), r"process_id=2: must lie in \[0, 2\), `process_count`"),
        (dict(out="a.mov"), "'.mov'.*'.mp4'"),
    ],
)
def test_from_python_messages_name_fields(fields, message):
    with pytest.raises(InputError, match=message):
        RenderRequest(**{"run": "r", "out": "a.mp4", **fields})


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--ids 99999999999", r"--ids \(99999999999,\): ids are"),
        ("--times 0,1 --duration 2", "--duration: .* give --times or"),
        ("--walk 3,4 --grid 2x1", "leave out --grid and --cross"),
        ("--walk 3,4 --motion-ids 1", "--motion-ids: .*--walk-of content"),
        ("--mix 3,4", "--mix and --layers go together: --mix 3,9 --layers 0-4 is"),
        ("--process-id 2 --process-count 2", r"--process-id 2: must lie in \[0, 2\), --process-count"),
    ],
)
def test_from_a_shell_they_name_flags(capsys, words, message):
    assert cli.main(["render", "--run", "r", "--out", "a.mp4", *words.split()]) == 2
    assert re.search(message, capsys.readouterr().err)


def asked(words):
    return verb._request(cli.make_parser().parse_args(["render", *shlex.split(words)]))


def test_flags_make_the_request_that_python_makes():
    assert asked("--run r --out a.mp4") == RenderRequest("r", "a.mp4")  # every default has one home
    path = "0s:-1,-1,1,1 2s:0,0,.5,.5"
    words = "--ids 0-2 --motion-ids 7 --label dog --truncation .5 --seed 3 --grid 3x1 --fps 25 --duration 2 --slow 2"
    words += f" --times=0:2 --size 20x10 --path '{path}' --mode smooth --levels 32 --quality lossless --continue"
    expected = RenderRequest(
        "r", "a.mp4", step="best", ids=range(3), motion_ids=[7], label=["dog"], truncation=0.5, seed=3, sheet=(3, 1),
        fps=25, duration=2, slow=2, span=(0, 2), size=(20, 10), path=timeline.read_path(path), mode="smooth", levels=32,
        quality="lossless", resume=True,
    )  # fmt: skip
    assert asked(f"--run r --out a.mp4 --step best {words}") == expected
    assert asked("--run r --out a.mp4 --times=.9,-1").times == (0.9, -1)


def test_each_field_has_a_flag():
    parsed = vars(cli.make_parser().parse_args(["render"]))
    assert {field.name for field in dataclasses.fields(RenderRequest)} - parsed.keys() == {"span"}  # --times has two


def test_choices_are_those_of_the_rooms_below():
    hints = typing.get_type_hints(RenderRequest)
    known = {"walk_of": walks.OF, "walk_in": walks.SPACES, "quality": video_formats.QUALITIES}
    assert {name: typing.get_args(hints[name]) for name in known} == known
    assert typing.get_args(hints["mode"])[0] == typing.Literal[tiles.MODES]


def test_a_note_leaves_out_where_and_by_whom():
    here = RenderRequest("r", "a.mp4", resume=True, process_id=1, process_count=2)
    assert here.of_content() == RenderRequest("r", "elsewhere.mp4").of_content()
    assert not here.of_content().keys() & set(MADE_ANEW)
    assert RenderRequest.from_record(here.of_content(), out="b.mp4") == RenderRequest("r", "b.mp4")


def test_broadcast():
    assert broadcast([1], [5, 6], None, False) == ({"ids": [1, 1], "motion_ids": [5, 6], "label": None}, None)
    crossed = {"ids": [1, 1, 2, 2], "motion_ids": [3] * 4, "label": [0, 1, 0, 1]}
    assert broadcast([1, 2], [3], [0, 1], True) == (crossed, (2, 2))
    with pytest.raises(InputError, match="`cross`"):
        broadcast([1, 2], [3], None, True)
