"""Every notebook runs from top to bottom on a tiny run, and its pictures come out."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


SLOW = ("04_vidm",)  # many programs


@pytest.mark.parametrize(
    "path",
    [pytest.param(path, marks=[pytest.mark.slow] * (path.stem in SLOW)) for path in NOTEBOOKS],
    ids=lambda path: path.stem,
)
def test_notebook_runs(path, tiny_run, tiny_vidm_run, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGAN_RUN", str(tiny_run))
    monkeypatch.setenv("VIDM_RUN", str(tiny_vidm_run))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 6 and kinds.count("text/html") >= 3  # strips and videos
    assert not list(tmp_path.iterdir())  # nothing is left beside the notebook
