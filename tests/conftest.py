"""Strict settings for every test, and the tiny model that they share.

Shapes and types of `digan_jax` are checked at run time (jaxtyping's import hook), rank promotion raises, reusing a
random key raises, warnings from the package are errors, and there are eight fake CPU devices. All of it must be said
before jax or the package is imported, so nothing of either may be imported above the marked line.
"""

import os
import shutil
from pathlib import Path

CHECKOUT = Path(__file__).resolve().parent.parent

os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
# Processes that tests start inherit the cache, so that each program is compiled once for a checkout.
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CHECKOUT / ".pytest_cache" / "jax"))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0.2")
# Eight devices; programs compile without LLVM's optimisations, which takes a third less processor time in all.
QUICK_COMPILING = "--xla_backend_optimization_level=0 --xla_llvm_disable_expensive_passes=true"
FLAGS = f"--xla_force_host_platform_device_count=8 {QUICK_COMPILING}"
os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {FLAGS}"

from jaxtyping import install_import_hook

from tests import typechecker  # noqa: F401  the hook finds it by name

install_import_hook("digan_jax", "tests.typechecker.typechecker")

# ---- jax and digan_jax from here on ----

import jax
import pytest

from digan_jax import config as digan_config

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_debug_key_reuse", True)

TINY = dict(resolution=32, channel_base=256, channel_max=8, z_dim=16, w_dim=16, motion_dim=16)


def pytest_configure(config):
    config.addinivalue_line("filterwarnings", "error:::digan_jax")
    config.addinivalue_line("filterwarnings", "ignore::beartype.roar.BeartypeDecorHintPep585DeprecationWarning")
    config.addinivalue_line("filterwarnings", "ignore:the load_module:DeprecationWarning")  # ml_collections


@pytest.fixture
def key_reuse_allowed():
    """For a test that uses one key twice on purpose, such as to compare two programs on the same noise."""
    with jax.debug_key_reuse(False):
        yield


@pytest.fixture(scope="session")
def make_config():
    """make_config({"train.seed": 1, ...}) -> RunConfig: the tiny model on drawn clips, with these fields changed."""
    from configs import base

    def make(changes=()):
        c = base.get_config()
        c.model.update(TINY)
        c.data.source = "bouncing"
        c.train.batch_size = 8
        c.update_from_flattened_dict(dict(changes))
        return digan_config.parse(c)

    return make


@pytest.fixture(scope="session")
def tiny_config():
    """`ModelConfig` of the tiny model: 32x32 pixels, 8 channels, vectors of 16."""
    return digan_config.ModelConfig(**TINY)


@pytest.fixture(scope="session")
def tiny_params(tiny_config):
    """{"mapping", "synthesis", "w_avg"} of an untrained tiny model; nobody may change it in place."""
    from digan_jax.models.digan import networks

    params = networks.build(tiny_config).generator.init(jax.random.key(0))
    return {**params, "w_avg": jax.random.normal(jax.random.key(1), (tiny_config.w_dim,))}


@pytest.fixture(scope="session")
def tiny_run(make_config, tmp_path_factory):
    """Folder of a run of the tiny model that was saved before its first step; nobody may write into it."""
    from digan_jax.models.digan.state import init_state
    from digan_jax.runs import checkpoint

    config, workdir = make_config(), tmp_path_factory.mktemp("runs") / "tiny"
    begun = init_state(jax.random.key(0), config)
    checkpoint.write_run(workdir, config, 0, begun, {"step": 0})
    return workdir


@pytest.fixture(scope="session")
def upscaling_run(make_config, tmp_path_factory):
    """Folder of a run of a tiny model of the task "upscale", saved before its first step."""
    import jax

    from digan_jax.models.digan.state import init_state
    from digan_jax.runs import checkpoint

    fields = {"task.name": "upscale", "task.every": 2, "data.frames": 5, "model.condition_planes": 3}
    config = make_config(fields | {"model.condition_width": 4, "model.basis": "shared"})
    workdir = tmp_path_factory.mktemp("runs") / "upscale"
    checkpoint.write_run(workdir, config, 0, init_state(jax.random.key(0), config), {"step": 0})
    return workdir


GUESSES = {"model.condition_planes": 3, "model.basis": "shared"}
GUESSES |= {"model.condition_skip": True, "model.condition_alone": True}
OF_TASK = {  # fields of a tiny model; with those of GUESSES an untrained one draws its first guess
    "upscale": GUESSES | {"task.factors": (2,), "task.every": 2, "model.condition_warp": True},
    "interpolate": GUESSES | {"task.every": 2, "model.condition_warp": True},
    "complete": GUESSES | {"task.fill": True},
    "denoise": GUESSES | {"model.condition_reach": 2},
    "stylize": GUESSES | {"task.style": "ink"},
    "predict": GUESSES | {"task.shown": 2, "model.condition_warp": True},
    "animate": {"model.condition_planes": 3, "model.condition_skip": True},
    "translate": {"model.condition_planes": 4, "model.condition_style": 2, "data.frames": 7},
    "edges": {"model.condition_planes": 1, "model.basis": "shared"},
}


@pytest.fixture(scope="session")
def task_run(make_config, tmp_path_factory):
    """task_run("denoise", {...}) -> folder of a run of a tiny model of the task, with these fields changed, saved before
    its first step; nobody may write into it."""
    from digan_jax.models.digan.state import init_state
    from digan_jax.runs import checkpoint

    made, states = {}, {}

    def make(task, changes=()):
        fields = {"task.name": task, "data.frames": 5, "model.condition_width": 4} | OF_TASK[task] | dict(changes)
        config = make_config(fields)
        if config not in made:
            if config.model not in states:
                states[config.model] = init_state(jax.random.key(0), config)
            workdir = made[config] = tmp_path_factory.mktemp("runs") / task
            checkpoint.write_run(workdir, config, 0, states[config.model], {"step": 0})
        return str(made[config])

    return make


@pytest.fixture(scope="session")
def tiny_vidm_run(tmp_path_factory):
    """Folder of a run of a tiny VIDM that was saved before its first step; nobody may write into it."""
    from configs import vidm
    from digan_jax.config import schema
    from digan_jax.models.families import FAMILIES
    from digan_jax.runs import checkpoint

    c = vidm.get_config()
    c.model.update({"resolution": 16, "width": 32, "multipliers": (1,), "blocks": 1, "attention": (), "head_width": 32})
    c.model.frames = c.data.frames = 8
    c.data.source, c.data.name = "bouncing", ""
    config, workdir = schema.parse(c), tmp_path_factory.mktemp("runs") / "tiny_vidm"
    begun = FAMILIES["vidm"].init(jax.random.key(0), config)
    checkpoint.write_run(workdir, config, 0, begun, {"step": 0})
    return workdir


@pytest.fixture(scope="session")
def tiny_model(tiny_config, tiny_params):
    """`Model` with the weights of `tiny_params`."""
    from digan_jax.rendering.model import Model

    return Model(tiny_config, tiny_params)


@pytest.fixture(scope="session")
def browser(tmp_path_factory):
    """(headless Chromium, folder of its downloads)."""
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    driver = shutil.which("chromedriver")
    if not (chromium and driver):
        pytest.skip("no chromium and chromium-driver here")
    webdriver = pytest.importorskip("selenium.webdriver")
    downloads = tmp_path_factory.mktemp("downloads")
    options = webdriver.ChromeOptions()
    options.binary_location = chromium
    for flag in ("--headless=new", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--window-size=1000,800"):
        options.add_argument(flag)
    options.add_experimental_option("prefs", {"download.default_directory": str(downloads)})
    options.set_capability("goog:loggingPrefs", {"browser": "ALL"})
    service = webdriver.ChromeService(driver)
    started = webdriver.Chrome(options=options, service=service)
    yield started, downloads
    started.quit()
