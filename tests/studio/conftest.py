"""A studio of two untrained runs, served on a free port of this machine."""

import jax
import pytest

from digan_jax.models.digan.state import init_state
from digan_jax.rendering.directions import Directions
from digan_jax.runs import checkpoint

pytest.importorskip("gradio")

from digan_jax.studio.server import StudioRequest, serving


@pytest.fixture(scope="session")
def followed_run(make_config, tmp_path_factory):
    """Folder of a run with two checkpoints, directions, a log and a sample."""
    import json

    import numpy as np

    from digan_jax.rendering.contact_sheets import strips, write_samples

    config, workdir = make_config(), tmp_path_factory.mktemp("runs") / "followed"
    for step in (0, 8):
        checkpoint.write_run(workdir, config, step, init_state(jax.random.key(step), config), {"step": step})
    rng = np.random.default_rng(0)
    content, motion = (np.linalg.qr(rng.normal(size=(16, 16)))[0].astype(np.float32) for _ in range(2))
    ones = np.ones(2, np.float32)
    Directions(content[:2], motion[:2], np.zeros(16, np.float32), ones, ones, ones).save(workdir / "directions.npz")
    lines = [{"step": k, "progress/kimg": k / 10, "critic/loss": 1 / (k + 1), "generator/loss": 1.0} for k in range(9)]
    (workdir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    clips = rng.integers(0, 256, (2, 4, 16, 16, 3)).astype(np.uint8)
    write_samples(workdir / "samples" / "kimg_000001", clips, 8, strips(clips))
    return workdir


@pytest.fixture(scope="session")
def served(followed_run, upscaling_run):
    """The address of a studio with small limits."""
    request = StudioRequest(
        runs=(str(followed_run), str(upscaling_run)), port=0, side=1024, frames=400, upload_mb=1, queue=4, seconds=120
    )
    with serving(request) as address:
        yield address
