"""Every notebook runs from top to bottom on a tiny run, and its pictures come out."""

from pathlib import Path

import nbclient
import nbformat
import pytest

NOTEBOOKS = sorted((Path(__file__).parent.parent / "notebooks").glob("*.ipynb"))


@pytest.fixture(scope="module")
def translating_run(make_config, tmp_path_factory):
    """Folder of a run of a tiny model that follows label maps, saved before its first step."""
    import jax

    from digan_jax.models.digan.state import init_state
    from digan_jax.runs import checkpoint

    fields = {"task.name": "translate", "data.frames": 7, "model.condition_planes": 4, "model.condition_width": 4}
    config = make_config(fields | {"model.condition_style": 2})
    workdir = tmp_path_factory.mktemp("runs") / "translate"
    checkpoint.write_run(workdir, config, 0, init_state(jax.random.key(0), config), {"step": 0})
    return workdir


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_notebook_runs(path, tiny_run, translating_run, tmp_path, monkeypatch):
    monkeypatch.setenv("DIGAN_RUN", str(tiny_run))
    monkeypatch.setenv("DIGAN_TRANSLATE", str(translating_run))
    notebook = nbformat.read(path, as_version=4)
    nbclient.NotebookClient(notebook, timeout=300, resources={"metadata": {"path": str(tmp_path)}}).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.output_type == "error" or output.get("name") == "stderr"]
    kinds = [kind for output in outputs for kind in output.get("data", {})]
    assert kinds.count("image/png") >= 6 and kinds.count("text/html") >= 3  # strips and videos
    assert not list(tmp_path.iterdir())  # nothing is left beside the notebook
