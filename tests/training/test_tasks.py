"""A run with a task, through the whole loop."""

import pytest

from digan_jax.training.loop import train
from tests.training.conftest import assert_same_bits

RUN = {
    "task.name": "complete", "task.adversarial": 0.0, "model.condition_planes": 3, "model.condition_width": 4,
    "data.frames": 4, "train.total_kimg": 0.032, "log.every_kimg": 0.008, "log.samples_every_kimg": 0.032,
    "log.sample_clips": 2, "checkpoint.every_kimg": 0.016,
}  # fmt: skip


@pytest.mark.slow
def test_a_run_that_was_stopped_ends_in_the_same_bits(make_config, stop_at, tmp_path):
    """Four steps at once, and two and two; the last step also draws samples of what was shown."""
    train(make_config(RUN), str(tmp_path / "whole"))
    assert (tmp_path / "whole" / "samples" / "kimg_000000.032.mp4").exists()
    stop_at(2)
    train(make_config(RUN), str(tmp_path / "parts"))
    assert not (tmp_path / "parts" / "checkpoints" / "4").exists()
    train(make_config(RUN), str(tmp_path / "parts"))
    assert_same_bits(tmp_path / "whole", tmp_path / "parts", 4)
