import dataclasses

import pytest

from configs import base
from digan_jax import config as digan_config
from digan_jax.errors import InputError


def parse(**changes):
    c = base.get_config()
    c.data.source = "bouncing"
    tree = c.to_dict()
    for name, value in changes.items():
        *group, field = name.split("__")
        (tree[group[0]] if group else tree)[field] = value
    return digan_config.parse(tree)


def test_round_trip_through_json():
    config = parse(train__augment=("color",), model__n_classes=7)
    assert digan_config.from_json(digan_config.to_json(config)) == config


def test_whole_numbers_serve_as_floats():
    assert parse(train__total_kimg=5).train.total_kimg == 5.0


@pytest.mark.parametrize(
    "change, message",
    [
        (dict(model__resolution=48), "model.resolution=48: choose one of"),
        (dict(data__frames=1), "data.frames=1: the motion critic needs a pair; set it to 2 or more"),
        (dict(train__batch_size=10), "train.batch_size=10: not divisible by the minibatch-statistics group of 4; use 8"),
        (dict(train__batchsize=8), "unknown config field train.batchsize; did you mean train.batch_size?"),
        (dict(train__seed="x"), "train.seed='x': must be int, not str"),
        (dict(train__seed=True), "train.seed=True: must be int, not bool"),
        (dict(train__learning_rate=0), "train.learning_rate=0.0: must be more than 0"),
        (dict(train__anneal=1.5), r"train.anneal=1.5: must lie in \[0, 1\]"),
        (dict(train__augment=("colour",)), r"unknown train.augment \['colour'\]; choose from"),
        (dict(data__source="skye"), "unknown data.source 'skye'; choose one of"),
        (dict(data__source="folder"), "data.path='': source 'folder' needs a folder"),
        (dict(family="gan"), r"unknown family 'gan'; choose one of \['digan', 'vidm', 'convgru'\]"),
        (dict(family=["digan"]), r"unknown family \['digan'\]; choose one of"),
        (dict(compute_dtype="float16"), "compute_dtype='float16': choose one of"),
        (dict(model=3), "model=3: must be a group of fields"),
        (dict(model__channel_base=64), "model.channel_base=64: leaves no channel at resolution 128"),
    ],
)
def test_each_bad_value_has_its_message(change, message):
    with pytest.raises(InputError, match=message):
        parse(**change)


def test_missing_field():
    tree = base.get_config().to_dict()
    del tree["train"]["seed"]
    tree["data"]["source"] = "bouncing"
    with pytest.raises(InputError, match=r"config lacks \['train.seed'\]"):
        digan_config.parse(tree)
    del tree["family"]
    with pytest.raises(InputError, match=r"config lacks \['family'\]"):
        digan_config.parse(tree)


def test_the_family_says_which_class_checks_the_model(monkeypatch):
    @dataclasses.dataclass(frozen=True)
    class Deeper(digan_config.ModelConfig):
        depth: int = 3

    monkeypatch.setitem(digan_config.MODELS, "deeper", Deeper)
    config = parse(family="deeper", model__depth=5)
    assert config.model.depth == 5 and digan_config.from_json(digan_config.to_json(config)) == config
    with pytest.raises(InputError, match="unknown config field model.depth"):
        parse(model__depth=5)


@pytest.mark.parametrize("batch_size, every_kimg", [(16, 0.1), (64, 1.0), (20, 0.2), (7, 0.03)])
def test_due_marks_the_first_step_at_or_after_each_multiple(batch_size, every_kimg):
    train = parse(train__batch_size=batch_size, train__mbstd_group_size=1).train
    clips = round(every_kimg * 1000)
    slow = [s for s in range(1, 300) if any((s - 1) * batch_size < k * clips <= s * batch_size for k in range(1, 400))]
    assert [s for s in range(1, 300) if train.due(s, every_kimg)] == slow
    assert not any(train.due(s, 0.0) for s in range(300))
    assert train.steps(every_kimg) == slow[0] and train.kimg(slow[0]) == slow[0] * batch_size / 1000


def test_base_lists_every_field_once():
    """A default that stands in two places must be the same in both."""
    listed = base.get_config().model
    for field in dataclasses.fields(digan_config.ModelConfig):
        if field.default is not dataclasses.MISSING:
            assert listed[field.name] == field.default


def test_differences_are_named():
    changed = parse(train__seed=3, model__z_dim=64)
    assert digan_config.differences(parse(), changed) == ["model.z_dim: 512 -> 64", "train.seed: 0 -> 3"]


def test_iterations_and_thousands_of_clips():
    train = parse(train__batch_size=24).train
    assert train.steps(0.048) == 2 and train.steps(0.049) == 3 and train.kimg(3) == 0.072
