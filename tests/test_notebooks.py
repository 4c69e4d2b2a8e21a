"""Every notebook runs from top to bottom on a tiny run, and its pictures come out; the stored ones have theirs."""

import tomllib
from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))
QUICK = ("01_tour", "02_render_anything")  # others take longer: many programs, three trainings, a pretrained network
LEAST = {"01_tour": (6, 3), "02_render_anything": (6, 3), "06_measuring_video": (4, 0)}  # pictures, videos; others 5, 1
SMALL = {"DIGAN_KIMG": "0.08", "DIGAN_CLIPS": "4"}  # of what takes long


def kinds_of(notebook):
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    return [kind for output in outputs for kind in output.get("data", {})]


def check_pictures(path, kinds):
    pictures, videos = LEAST.get(path.stem, (5, 1))
    assert kinds.count("image/png") >= pictures and kinds.count("text/html") >= videos


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem not in QUICK)) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_notebook_runs(path, tiny_run, tiny_vidm_run, task_run, tmp_path, monkeypatch):
    runs = {"DIGAN_RUN": str(tiny_run), "VIDM_RUN": str(tiny_vidm_run), "DIGAN_TRANSLATE": task_run("translate")}
    for name, value in (SMALL | runs).items():
        monkeypatch.setenv(name, value)
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    check_pictures(path, kinds_of(notebook))
    assert not list(tmp_path.iterdir())  # nothing is left beside the notebook


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_shows_its_pictures_and_opens_elsewhere(path):
    notebook = nbformat.read(path, as_version=4)
    check_pictures(path, kinds_of(notebook))
    badge, install = notebook.cells[:2]
    assert "(https://colab.research.google.com/github/)" in badge.source  # Colab's list; a repository has to be named
    assert install.source == nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source


@pytest.mark.parametrize("installed, environment", [(True, ""), (False, ""), (False, "https://example.org/b")])
def test_the_first_cell_installs_from_the_address_that_it_is_given(installed, environment, monkeypatch):
    from packaging.requirements import Requirement

    ran, asked = [], []
    monkeypatch.setattr("importlib.util.find_spec", lambda name: name if installed else None)
    monkeypatch.setattr("subprocess.run", lambda words, check: ran.append((words, check)))
    monkeypatch.setattr("builtins.input", lambda text: asked.append(text) or "https://example.org/a ")
    monkeypatch.setenv("DIGAN_SOURCE", environment)
    exec(nbformat.read(NOTEBOOKS[0], as_version=4).cells[1].source, {})
    assert (len(ran), len(asked)) == (not installed, not installed and not environment)
    for words, check in ran:
        wanted = Requirement(words[-1])
        extras = tomllib.loads((NOTEBOOKS[0].parent.parent / "pyproject.toml").read_text())["project"]
        assert check and wanted.url == f"git+{environment or 'https://example.org/a'}"
        assert wanted.name == extras["name"] and wanted.extras <= extras["optional-dependencies"].keys()
