"""Recipes load from anywhere; what is wrong in one, or in an override, is said in one line."""

import shutil
import sys
import types
from pathlib import Path

import pytest

from digan_jax.config import files
from digan_jax.errors import InputError

RECIPE = "bouncing"


@pytest.fixture
def recipe(tmp_path, monkeypatch, request):
    """Writes a recipe outside the checkout, and works there."""
    monkeypatch.chdir(tmp_path)

    def write(body):
        path = tmp_path / f"{request.node.name.partition('[')[0]}.py"
        path.write_text("from configs import base\n\n\ndef get_config():\n    c = base.get_config()\n" + body)
        return str(path)

    return write


@pytest.fixture(autouse=True)
def in_checkout(request, monkeypatch):
    monkeypatch.chdir(request.config.rootpath)


def test_a_recipe_says_differences_only(recipe):
    path = recipe("    c.data.source = 'bouncing'\n    c.train.batch_size = 4\n    return c\n")
    config = files.load(path)
    assert (config.train.batch_size, config.train.learning_rate) == (4, 0.0025)


@pytest.mark.parametrize(
    ("overrides", "field", "value"),
    [
        (["--config.train.batch_size=8"], "train.batch_size", 8),
        (["--config.train.batch_size", "8"], "train.batch_size", 8),
        (["--config.train.total_kimg=3"], "train.total_kimg", 3.0),
        (["--config.data.flip=false"], "data.flip", False),
        (["--noconfig.data.flip"], "data.flip", False),
        (["--config.train.augment=('color',)"], "train.augment", ("color",)),
        (["--config.train.augment=()"], "train.augment", ()),
        (["--config.compute_dtype=bfloat16"], "compute_dtype", "bfloat16"),
    ],
)
def test_overrides(overrides, field, value):
    config = files.load(RECIPE, overrides)
    for name in field.split("."):
        config = getattr(config, name)
    assert config == value and type(config) is type(value)


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["--config.train.batch_sise=8"], r"train\.batch_sise; did you mean train\.batch_size\?"),
        (["--config.zzz=8"], r"unknown config field zzz; see them all"),
        (["--config.train.batch_size=many"], r"train\.batch_size=many: must be int"),
        (["--config.data.flip=maybe"], r"data\.flip=maybe: must be bool"),
        (["--config.train=3"], r"train=3: is a group of fields"),
        (["--config.train.batch_size=7"], "train.batch_size=7: not divisible"),
        (["--confg.train.batch_size=7"], "unknown option --confg"),
        (["loose"], "unexpected 'loose'"),
    ],
)
def test_overrides_that_cannot_be_used_are_named(overrides, message):
    with pytest.raises(InputError, match=message):
        files.load(RECIPE, overrides)


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("    c.train.batch_size = 'many'\n    return c\n", "TypeError.*batch_size"),
        ("    c.data.source = 'bouncing'\n    c.train.bach_size = 4\n    return c\n", "train.bach_size; did you mean"),
        ("    return nothing\n", "NameError.*nothing"),
        ("    return (\n", "SyntaxError"),
    ],
)
def test_a_recipe_that_fails_says_where(recipe, body, message):
    with pytest.raises(InputError, match=message) as caught:
        files.load(recipe(body))
    assert "Traceback" not in str(caught.value)


@pytest.mark.parametrize("path", ["configs/nowhere.py", "./configs"])
def test_a_missing_recipe_is_named(path):
    with pytest.raises(InputError, match=f"--config {path}: cannot be opened; digan config --list"):
        files.load(path)


@pytest.mark.parametrize(
    ("name", "cure"), [("ucf101", "did you mean ucf101_128 or "), ("zzz", r"choose one of \['animate', 'base', ")]
)
def test_a_name_that_is_not_shipped_lists_the_close_ones(name, cure):
    with pytest.raises(InputError, match=f"--config {name}: is not shipped; {cure}"):
        files.load(name)


def test_a_name_and_a_path_are_the_same_configuration():
    assert files.load("bouncing") == files.load("configs/bouncing.py")


def test_shipped_ones_have_a_line_each():
    names = sorted(path.stem for path in Path("configs").glob("[!_]*.py"))
    assert list(files.shipped()) == names
    assert files.shipped()["sky_128"] == "Sky Time-lapse, unconditional, 128 x 128, 16 consecutive frames."


def test_neighbours_in_a_folder_named_configs_come_first(tmp_path):
    """And shipped ones see them: a copy of configs/ with another base is whole."""
    (tmp_path / "configs").mkdir()
    shutil.copy("configs/bouncing.py", tmp_path / "configs" / "mine.py")
    changed = Path("configs/base.py").read_text().replace("t.seed = 0", "t.seed = 5")
    (tmp_path / "configs" / "base.py").write_text(changed)
    assert files.load(str(tmp_path / "configs" / "mine.py")).train.seed == 5
    assert files.load("bouncing").train.seed == 0


def test_another_package_named_configs_is_left_alone(monkeypatch):
    monkeypatch.setitem(sys.modules, "configs", types.ModuleType("configs"))
    monkeypatch.setitem(sys.modules, "configs.theirs", types.ModuleType("configs.theirs"))
    before = list(sys.path), {name: module for name, module in sys.modules.items() if name.startswith("configs")}
    assert files.load("bouncing").data.source == "bouncing"
    assert before == (sys.path, {name: module for name, module in sys.modules.items() if name.startswith("configs")})
