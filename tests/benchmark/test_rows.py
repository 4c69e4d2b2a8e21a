import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType

from digan_jax.benchmark import networks, pipeline, timing
from digan_jax.errors import InputError


def test_time_is_the_median_and_grows_with_the_work():
    """Of sleeps: the clock cannot run short, and the slowest call of five must not count."""
    import time

    waits = iter([0, 0.02, 0.02, 0.02, 0.3, 0.02])  # the first is the warm-up
    assert 0.02 <= timing.timed(lambda: time.sleep(next(waits)), 5).median < 0.3


@pytest.mark.slow
def test_training_row_measures_the_real_iteration(monkeypatch):
    """Both kinds of iteration run, each from the state that the one before gave back; on one device, to compile sooner."""

    def compiled_lightly(function, *arguments, every):
        options = {"xla_backend_optimization_level": 0}  # compiling is what takes time
        return function.lower(*arguments).compile(compiler_options=options), {}

    axes = dict(axis_types=(AxisType.Auto,) * 2, devices=jax.devices()[:1])
    monkeypatch.setattr(networks.devices, "make_mesh", lambda: jax.make_mesh((1, 1), ("data", "model"), **axes))
    monkeypatch.setattr(networks, "compiled", compiled_lightly)
    assert networks.training(32, 64, 4, 4).seconds(2).median > 0


def test_compiler_tells_memory_and_work():
    program, known = timing.compiled(jax.jit(lambda x: (x @ x) @ x), jnp.ones((64, 64)))
    np.testing.assert_array_equal(program(jnp.ones((64, 64))), 64.0**2)
    assert known["compile_seconds"] > 0 and known["scratch_bytes"] >= 64 * 64 * 4  # the inner product at least
    assert known["peak_bytes"] >= known["scratch_bytes"] + 2 * 64 * 64 * 4
    assert known["flops"] == 2 * 2 * 64**3 and "bytes_moved" not in known  # a CPU's traffic is not an accelerator's


def test_a_batch_that_devices_cannot_share_is_refused():
    with pytest.raises(InputError, match="batch_size=3"):
        networks.training(32, 64, 4, 3)


def test_rows_around_the_networks_do_their_work(monkeypatch):
    """Of small files: a batch is delivered, a set is made, ffmpeg is found or named."""
    monkeypatch.setattr(pipeline, "VIDEO_SIZE", 64)
    monkeypatch.setattr(pipeline, "VIDEO_FRAMES", 20)
    for work in (pipeline.loading(32, 4, cached=False), pipeline.preparing()):
        assert work.seconds(1).median > 0
    monkeypatch.setenv("PATH", "")
    with pytest.raises(timing.Unavailable, match="no ffmpeg"):
        pipeline.ffmpeg()
