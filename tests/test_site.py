"""The documentation site is built without a warning, and holds what is made for it."""

import importlib.util
import re
import subprocess
import sys
from pathlib import Path

import pytest
from PIL import Image

from digan_jax import cli

CHECKOUT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    """The folder of the built site. Missing links, anchors and names are warnings, which end the build."""
    folder = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--quiet", "--site-dir", str(folder)]
    done = subprocess.run(command, cwd=CHECKOUT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return folder


@pytest.mark.slow
def test_every_page_is_there_and_every_command_and_name(site):
    pages = {path.stem for path in (CHECKOUT / "docs").glob("*.md")} - {"README"}
    assert pages <= {path.name for path in site.iterdir()} and (site / "index.html").exists()
    commands = (site / "reference_commands" / "index.html").read_text()
    assert all(f'id="digan-{name}"' in commands for name in cli.NAMES) and "--truncation" in commands
    python = (site / "reference_python" / "index.html").read_text()
    assert all(name in python for name in ("load", "RenderRequest", "write_video", "psi in w_avg"))
    for path in (CHECKOUT / "notebooks").glob("*.ipynb"):
        assert (site / "repository" / "notebooks" / path.stem / "index.html").exists()


@pytest.mark.slow
def test_the_site_fetches_nothing_and_names_no_place_of_the_builder(site):
    for page in site.rglob("*.html"):
        text = page.read_text()
        assert str(CHECKOUT) not in text
        assert [link for link in re.findall(r'<(?:script|link|img)[^>]+(?:src|href)="(https?:[^"]+)"', text)
                if "colab-badge" not in link] == []  # fmt: skip


@pytest.mark.slow
def test_figures_can_be_drawn_again(tiny_model, tmp_path):
    spec = importlib.util.spec_from_file_location("figures", CHECKOUT / "scripts" / "docs" / "figures.py")
    figures = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(figures)
    figures.levels(tmp_path / "levels.png")
    figures.waves(tiny_model, tmp_path / "waves.png")
    for name in ("levels.png", "waves.png"):
        with Image.open(tmp_path / name) as drawn, Image.open(CHECKOUT / "docs" / "pictures" / name) as shown:
            assert drawn.size == shown.size


def test_menu_names_pages_that_are_there():
    """Cheaper than a build: the menu of mkdocs.yml, and the index for forges."""
    named = re.findall(r"([\w_]+\.md)", (CHECKOUT / "mkdocs.yml").read_text())
    assert len(named) > 10 and [name for name in named if not (CHECKOUT / "docs" / name).exists()] == []
