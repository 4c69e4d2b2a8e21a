import dataclasses
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import devices
from digan_jax.errors import InputError, TrainingDiverged
from digan_jax.interop import opening
from digan_jax.models.families import FAMILIES
from digan_jax.runs import checkpoint, reading
from digan_jax.runs.checkpoint import Checkpointer
from tests.runs.conftest import saved_run


def assert_equal(ours, theirs):
    jax.tree.map(np.testing.assert_array_equal, ours, theirs)  # raises too when the trees differ


def test_restore_gives_back_every_array_and_the_data_position(tmp_path, config, state):
    saved_run(tmp_path, config, state).close()
    again = Checkpointer(tmp_path, config)
    theirs, data = again.restore(state)
    again.close()
    assert_equal(state, theirs)
    assert data == {"step": 1}


def test_save_copies_before_the_next_step_overwrites(tmp_path, config, state):
    add = jax.jit(lambda s: jax.tree.map(lambda x: x + jnp.ones((), x.dtype), s), donate_argnums=0)
    big = dataclasses.replace(state, ema={"mapping": {"w": jnp.zeros(2_000_000)}}, step=jnp.zeros((), jnp.int32))
    big = jax.tree.map(jnp.copy, big)
    checkpoint.claim(tmp_path, config)
    with_saves = Checkpointer(tmp_path, config)
    for step in range(1, 41):
        big = add(big)
        if step in (39, 40):
            with_saves.save(step, big, {})
            big = add(add(big))  # donates what was saved while it is being written
    with_saves.close()
    for step, value in ((39, 39), (40, 42)):
        _, weights = reading.restore_weights(tmp_path, step)
        assert (weights["ema"]["mapping"]["w"] == value).all()


def test_restore_places_the_state_as_asked(tmp_path, config, state):
    mesh = devices.make_mesh(2)
    shardings = devices.of_state(mesh, state)
    saved = saved_run(tmp_path, config, jax.device_put(state, shardings))
    like = jax.tree.map(lambda x, s: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=s), state, shardings)
    theirs, _ = saved.restore(like)
    saved.close()
    assert_equal(state, theirs)
    assert jax.tree.map(lambda x: x.sharding, theirs) == shardings


def test_inference_restores_averages_and_config_alone(tmp_path, config, state):
    saved_run(tmp_path, config, jax.device_put(state, devices.replicated(devices.make_mesh()))).close()
    for folder in ("state", "data"):
        shutil.rmtree(tmp_path / "checkpoints" / "1" / folder)
    theirs, params = reading.restore_for_inference(tmp_path)
    assert theirs == config
    assert_equal(FAMILIES["digan"].inference(state), params)
    assert {type(x) for x in jax.tree.leaves(params)} == {np.ndarray}


def test_weights_for_another_run(tmp_path, config, state):
    saved_run(tmp_path, config, state).close()
    theirs, weights = reading.restore_weights(tmp_path)
    assert theirs == config
    assert_equal({name: getattr(state, name) for name in ("generator", "critic", "ema", "w_avg")}, weights)


def test_a_step_can_be_chosen_and_a_wrong_one_lists_those_there(tmp_path, config, state):
    saved = saved_run(tmp_path, config, state)
    saved.save(2, jax.tree.map(lambda x: x + jnp.ones((), x.dtype), state), {})
    saved.close()
    _, first = reading.restore_for_inference(tmp_path, 1)
    _, second = reading.restore_for_inference(tmp_path)
    np.testing.assert_array_equal(first["w_avg"] + 1, second["w_avg"])
    with pytest.raises(InputError, match=r"no checkpoint of step 7; choose one of \[1, 2\]"):
        reading.restore_for_inference(tmp_path, 7)


def test_the_best_step_by_name(tmp_path, config, state):
    saved = saved_run(tmp_path, config, state)
    saved.save(2, jax.tree.map(lambda x: x + jnp.ones((), x.dtype), state), {})
    saved.close()
    with pytest.raises(InputError, match="no checkpoint of it was measured"):
        opening.load(tmp_path, step="best")
    (tmp_path / reading.FVD_FILE).write_text('{"1": 20.0, "2": 30.0}')
    _, first = reading.restore_for_inference(tmp_path, 1)
    np.testing.assert_array_equal(opening.load(tmp_path, step="best").params["w_avg"], first["w_avg"])
    np.testing.assert_array_equal(opening.read(tmp_path, training=True, step="best").params["w_avg"], first["w_avg"])
    assert opening.look(tmp_path, "best").step == 1 and opening.look(tmp_path).step == 2


def test_keeps_the_newest_and_the_milestones(tmp_path, config, state):
    saved = Checkpointer(tmp_path, config)  # 20 clips a step: due every 10 steps, kept for good every 50
    steps = [s for s in range(1, 121) if saved.due(s)]
    assert steps == list(range(10, 121, 10))
    for step in steps:
        saved.save(step, state, {})
    saved.close()
    assert reading.finished_steps(tmp_path) == [50, 100, 110, 120]


def test_what_a_killed_save_left_is_neither_seen_nor_kept(tmp_path, config, state):
    saved_run(tmp_path, config, state, steps=(1,)).close()
    half = tmp_path / "checkpoints" / "2.orbax-checkpoint-tmp"
    shutil.copytree(tmp_path / "checkpoints" / "1", half)
    (half / "commit_success.txt").unlink(missing_ok=True)
    assert reading.finished_steps(tmp_path) == [1]
    assert_equal(reading.restore_for_inference(tmp_path)[1], FAMILIES["digan"].inference(state))
    saved = Checkpointer(tmp_path, config)
    saved.save(2, state, {})
    saved.close()
    assert reading.finished_steps(tmp_path) == [1, 2] and not half.exists()


def test_saving_a_step_twice_is_no_error(tmp_path, config, state):
    saved = saved_run(tmp_path, config, state, steps=(3, 3))
    saved.close()
    assert reading.finished_steps(tmp_path) == [3]


def test_a_state_that_is_not_finite_is_not_saved(tmp_path, config, state):
    saved = saved_run(tmp_path, config, state, steps=(5,))
    broken = dataclasses.replace(state, w_avg=state.w_avg.at[0].set(jnp.nan))
    with pytest.raises(TrainingDiverged, match=r"step 6: state\.w_avg is not finite; the checkpoint of step 5 is good"):
        saved.save(6, broken, {})
    saved.close()
    assert reading.finished_steps(tmp_path) == [5]


def test_folders_that_hold_no_run(tmp_path, config):
    with pytest.raises(InputError, match="no such folder"):
        reading.restore_for_inference(tmp_path / "nowhere")
    with pytest.raises(InputError, match="is no run"):
        reading.restore_for_inference(tmp_path)
    checkpoint.claim(tmp_path, config)
    with pytest.raises(InputError, match="no finished checkpoint yet"):
        reading.restore_for_inference(tmp_path)


def test_claim_refuses_another_configuration_and_shows_it(tmp_path, make_config, state):
    saved_run(tmp_path, make_config(), state).close()
    before = (tmp_path / "config.json").read_text()
    with pytest.raises(InputError, match="another configuration") as error:
        checkpoint.claim(tmp_path, make_config({"train.seed": 3, "train.total_kimg": 9.0}))
    assert "train.seed: 0 -> 3" in str(error.value) and "total_kimg" not in str(error.value)
    assert (tmp_path / "config.json").read_text() == before


def test_claim_lets_a_run_go_on_longer_and_log_otherwise(tmp_path, make_config):
    checkpoint.claim(tmp_path, make_config())
    free = {"train.total_kimg": 9.0, "data.workers": 2, "mesh.model": 2, "log.every_kimg": 2.0}
    free["checkpoint.keep_last"] = 9
    checkpoint.claim(tmp_path, make_config(free))
    assert '"keep_last": 9' in (tmp_path / "config.json").read_text()


FULL = [OSError(28, "No space left on device"), ValueError("RESOURCE_EXHAUSTED: No space left on device [code=28]")]


@pytest.mark.parametrize("error", FULL)
def test_a_full_disk_is_explained(tmp_path, config, state, error):
    saved_run(tmp_path, config, state, steps=(4,)).close()
    with pytest.raises(InputError, match="no space left on device; the checkpoint of step 4 is whole. Free some space"):
        with checkpoint.explain_full_disk(tmp_path):
            raise error


def test_other_errors_pass_unchanged(tmp_path):
    with pytest.raises(ZeroDivisionError), checkpoint.explain_full_disk(tmp_path):
        1 / 0


def test_a_conditional_run_keeps_the_names_of_its_classes(tmp_path, make_config):
    checkpoint.claim(tmp_path / "plain", make_config(), ("dog", "cat"))
    assert reading.class_names(tmp_path / "plain") == ()
    checkpoint.claim(tmp_path / "named", make_config({"model.n_classes": 2}), ("dog", "cat"))
    assert reading.class_names(tmp_path / "named") == ("dog", "cat")
