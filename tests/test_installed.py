"""Installed from its wheel, away from any checkout, the package does what README says: a process for each command."""

import os
import shutil
import subprocess
import sys
import sysconfig
import venv
import zipfile
from pathlib import Path

import numpy as np
import pytest

from digan_jax.host.video_files import write_video

CHECKOUT = Path(__file__).parent.parent
SOURCES = ("digan_jax", "configs", "pyproject.toml", "setup.py", "README.md", "LICENSE")
TINY = dict(resolution=32, channel_base=64, channel_max=4, z_dim=8, w_dim=8, motion_dim=8, n_frequencies=8)
OWN = """
from configs import quickstart


def get_config():
    c = quickstart.get_config()
    c.train.batch_size = 4
    c.train.total_kimg = 0.004
    c.log.sample_clips = 1
    c.data.frames = 4
    c.data.name, c.data.data_dir = "mine", "sets"
    return c
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """Built from a copy, so that no build/ of the checkout gets in or is left behind."""
    copy, out = tmp_path_factory.mktemp("checkout"), tmp_path_factory.mktemp("wheel")
    for name in SOURCES:
        place = CHECKOUT / name
        ignored = shutil.ignore_patterns("__pycache__")
        shutil.copytree(place, copy / name, ignore=ignored) if place.is_dir() else shutil.copy(place, copy)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "wheel", "--quiet"]
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", "--wheel-dir", out, copy], check=True)
    [file] = out.iterdir()
    return file


@pytest.fixture(scope="module")
def digan(wheel, tmp_path_factory):
    """digan("render", ...) -> stdout, run in a folder that holds nothing of ours; digan.folder is that folder."""
    home, folder = tmp_path_factory.mktemp("venv"), tmp_path_factory.mktemp("work")
    venv.create(home, symlinks=True)
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "--python", home / "bin" / "python", "install"]
    subprocess.run([*pip, "--quiet", "--no-deps", wheel], check=True)
    # Dependencies come after what is installed here; .pth files over there, as of an editable install, are not read.
    [packages] = home.glob("lib/python*/site-packages")
    (packages / "dependencies.pth").write_text("\n".join({sysconfig.get_path(k) for k in ("purelib", "platlib")}))
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    environment["XLA_FLAGS"] = "--xla_backend_optimization_level=0"  # one device; compiling is what takes time

    def run(*words, program=home / "bin" / "digan"):
        done = subprocess.run([program, *words], cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stderr
        return done.stdout

    run.folder = folder
    where = run("-c", "import digan_jax; print(digan_jax.__file__)", program=home / "bin" / "python")
    assert Path(where).is_relative_to(packages), where
    return run


def test_the_wheel_holds_configurations_and_pages_and_nothing_at_the_top(wheel):
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    shipped = {f"digan_jax/configs/{path.name}" for path in (CHECKOUT / "configs").glob("*.py")}
    modules = {path.relative_to(CHECKOUT).as_posix() for path in (CHECKOUT / "digan_jax").rglob("*.py")}
    data = [*(CHECKOUT / "digan_jax/studio/assets").glob("*"), *(CHECKOUT / "digan_jax/interop/shipped").rglob("*.*")]
    data = {path.relative_to(CHECKOUT).as_posix() for path in data} | {"digan_jax/evaluation/study_page.html"}
    assert names >= shipped | modules | data
    version = wheel.name.split("-")[1]
    assert {name.partition("/")[0] for name in names} == {"digan_jax", f"digan_jax-{version}.dist-info"}


@pytest.mark.slow
def test_from_videos_to_a_clip(digan):
    """One iteration of a tiny model under a file of one's own, in a folder named as ours is."""
    rng = np.random.default_rng(0)
    for i in range(2):
        write_video(digan.folder / "videos" / f"{i}.mp4", rng.uniform(-1, 1, (8, 32, 32, 3)).astype(np.float32), 8)
    (digan.folder / "configs").mkdir()
    (digan.folder / "configs" / "mine.py").write_text(OWN)

    listed = digan("config", "--list").splitlines()
    assert [line.split()[0] for line in listed] == sorted(p.stem for p in (CHECKOUT / "configs").glob("[!_]*.py"))
    words = "prepare videos --name mine --size 32 --frames 4 --data-dir sets --workers 1"
    digan(*words.split())
    overrides = [f"--config.model.{name}={value}" for name, value in TINY.items()]
    digan("train", "--config", "configs/mine.py", "--workdir", "runs/mine", *overrides)
    digan("render", "--run", "runs/mine", "--frames", "2", "--out", "clip.mp4")
    assert (digan.folder / "clip.mp4").stat().st_size > 0


@pytest.mark.slow
def test_defaults_need_no_file(digan):
    """`import` and `benchmark` start from the shipped base.py."""
    snapshot = CHECKOUT / "tests" / "golden" / "network_snapshot.pkl"
    assert "--config base --workdir runs/theirs" in digan("import", str(snapshot), "--out", "runs/theirs")
    assert "loader, 20 batches of 16" in digan("benchmark", "--rows", "load_32")
