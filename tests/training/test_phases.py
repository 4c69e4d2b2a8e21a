"""Coarse to fine: frames and spans of the phases, networks that double without a jump, and the loop around them."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from digan_jax import devices, grids
from digan_jax.config import phases
from digan_jax.data import clips, loader, sources
from digan_jax.errors import InputError
from digan_jax.models.digan import networks, times
from digan_jax.models.digan.state import init_state
from digan_jax.shapes import Latents, leaves
from digan_jax.training import compile as compiling
from digan_jax.training import loop
from tests.models.test_steps import QUICK, mesh_of
from tests.training.conftest import RUN, assert_same_bits, metrics

GROWING = {"model.base": 8, "model.doublings": 2, "train.phases": (0.032, 0.096)}  # from steps 4 and 12 of 8 clips


def test_frames_and_spans_double(make_config):
    config = make_config(RUN | GROWING | {"data.frames": 9})
    source = sources.open_source(config.data, config.model)
    batches = loader.make_loader(source, config)
    seen = [next(batches) for _ in range(16)]
    assert [batch.frames.shape[2:4] for batch in seen] == [(8, 8)] * 4 + [(16, 16)] * 8 + [(32, 32)] * 4
    longest = [max(np.ptp(batch.times, axis=1).max() for batch in part) for part in (seen[:4], seen[4:12], seen[12:])]
    assert longest[0] <= 1 / 4 and longest[1] <= 1 / 2 < longest[2]
    assert min(batch.times.min() for batch in seen[:4]) < 1 / 4 and max(batch.times.max() for batch in seen[:4]) > 3 / 4
    small, plan = phases.at(config, 3), clips.windows(source.frame_counts, 9, 1)
    choose = lambda *args: times.of_reals(*args, small.train.span)
    drawn = clips.draw(plan, choose, config.train.seed, 3, 8, config.data.flip)
    whole = source.read_frames(int(drawn.record[0]), drawn.frame[0])[:, :, :: -1 if drawn.flip[0] else 1]
    means = whole.reshape(2, 8, 4, 8, 4, 3).mean((2, 4))
    np.testing.assert_allclose(seen[3].frames[0], means, atol=0.5)  # rounded to whole numbers


def test_a_span_bounds_times_of_both_sides():
    pair, at = times.of_reals(np.random.default_rng(0), 16, 4000, 0.5)
    assert np.ptp(pair, axis=1).max() == 7 and pair.min() == 0 and pair.max() == 15  # 8 frames span 7 / 15 of the clip
    np.testing.assert_allclose(at, pair / 15, rtol=1e-6)
    fakes = jax.jit(lambda a, b: times.in_stretches(a, times.of_fakes(b, 4000), 0.5))(*map(jax.random.key, (0, 1)))
    assert 0 <= fakes.min() < 0.02 and 0.98 < fakes.max() <= 1 and np.ptp(fakes, axis=1).max() <= 0.5


def nets_of(config, step):
    return networks.networks_of(phases.at(config, step))


@pytest.mark.parametrize("critic", ["pair", "shared"])
def test_frames_double_without_a_jump(make_config, critic):
    """What starts as nothing changes neither the picture nor a score: both are those of the smaller frames."""
    config = make_config(RUN | GROWING | {"model.critic": critic, "model.doublings": 1, "train.phases": (0.032,)})
    small, whole = nets_of(config, 0), nets_of(config, 4)
    state = init_state(jax.random.key(0), config)
    for name, ours in (("generator", small.generator.init), ("critic", small.critic.init)):
        shapes = {name: x.shape for name, x in leaves(jax.eval_shape(ours, jax.random.key(0))).items()}
        assert shapes.items() <= {name: x.shape for name, x in leaves(getattr(state, name)).items()}.items()
    w, motion = (jax.random.normal(jax.random.key(i), (2, 16)) for i in (1, 2))

    def draw(net, r):
        latents = Latents(networks.repeat_content(w, net.n_layers), motion)
        return jax.jit(net.synthesis)(state.generator, latents, jnp.float32([[0.2], [0.9]]), grids.native(r, 8))

    coarse, fine = draw(small.generator, 16), draw(whole.generator, 32)
    np.testing.assert_allclose(fine, np.repeat(np.repeat(coarse, 2, 2), 2, 3), atol=1e-5)  # float32, another order
    frames = jax.random.normal(jax.random.key(3), (4, 2, 32, 32, 3))
    halved = frames.reshape(4, 2, 16, 2, 16, 2, 3).mean((3, 5))
    delta = jnp.linspace(0.1, 0.4, 4)
    before = jax.jit(small.critic.apply)(state.critic, halved, delta)
    after = jax.jit(whole.critic.apply)(state.critic, frames, delta)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), after, before)  # float32, another order


def test_each_phase_trains_its_own_blocks(make_config):
    """Two devices; that their number does not matter is tested with the iteration."""
    config = make_config(RUN | GROWING | {"model.doublings": 1, "train.phases": (0.008,), "train.r1_gamma": 0.0})
    batches = loader.make_loader(sources.open_source(config.data, config.model), config)
    mesh, state = mesh_of(2), init_state(jax.random.key(0), config)
    states = [jax.device_get(state)]
    state = jax.device_put(state, devices.of_state(mesh, state))
    for step in range(3):
        batch = devices.place_batch(next(batches), mesh)
        if step in (0, 1):
            program = compiling.compile_iteration(config, mesh, step).lower(state, batch)
            iteration = program.compile(compiler_options=QUICK)
        state, _ = iteration(state, batch)
        states.append(jax.device_get(state))
    first, second, third, last = states
    moved = lambda a, b, name: np.any(leaves(a)[name] != leaves(b)[name])
    for name in ("synthesis.b32.conv0.weight", "synthesis.b32.torgb.weight"):
        assert not moved(first.generator, second.generator, name)
    assert moved(first.generator, second.generator, "synthesis.b16.conv0.weight")
    assert moved(second.generator, third.generator, "synthesis.b32.torgb.weight")
    assert moved(third.generator, last.generator, "synthesis.b32.conv0.weight")  # once its colours are not nothing
    assert not moved(first.critic, second.critic, "image.b32.gain")
    assert moved(first.critic, second.critic, "motion.b4.out.weight")
    assert moved(second.critic, third.critic, "image.b32.gain")


def test_a_run_that_was_stopped_in_a_phase_ends_in_the_same_bits(tmp_path, make_config, small_run, stop_at, monkeypatch):
    compiled, quick = [], compiling.compile_iteration

    def noting(config, mesh, step=0):
        compiled.append((step, phases.at(config, step).model.resolution))
        return quick(config, mesh, step)

    monkeypatch.setattr(compiling, "compile_iteration", noting)
    config = make_config(RUN | GROWING)
    loop.train(config, str(tmp_path / "whole"))
    assert compiled == [(0, 8), (4, 16), (12, 32)]
    compiled.clear()
    for step in (4, 7):
        stop_at(step)
        loop.train(config, str(tmp_path / "pieces"))
    loop.train(config, str(tmp_path / "pieces"))
    assert compiled == [(0, 8), (4, 16), (4, 16), (7, 16), (12, 32)]  # stopped after 4 and after 7
    assert_same_bits(tmp_path / "whole", tmp_path / "pieces", 24)
    assert metrics(tmp_path / "whole") == metrics(tmp_path / "pieces")


@pytest.mark.parametrize(
    "fields, said",
    [
        ({"train.phases": (0.1, 0.05)}, r"train.phases=\(0.1, 0.05\): must be kimg above 0, in ascending order"),
        ({"train.phases": (0.0, 0.05)}, "must be kimg above 0"),
        ({"train.phases": (0.1,)}, "needs model.doublings=1, not 2"),
        ({"model.doublings": 3}, "model.doublings=3: frames of 32 pixels can be 2 doublings of the smallest.* of 8"),
        ({"model.critic": "shared"}, "can be 1 doublings of the smallest.* of 16 .*model.critic='shared'"),
        ({"model.base": 32}, "can be 0 doublings of the smallest, which are of 32 with model.base=32"),
        ({"train.span": 0.0}, r"train.span=0.0: must lie in \(0, 1\]"),
    ],
)
def test_phases_that_cannot_be_are_named(make_config, fields, said):
    with pytest.raises(InputError, match=said):
        make_config(RUN | GROWING | fields)


def test_without_phases_the_configuration_is_its_own(make_config):
    config = make_config(RUN)
    assert phases.at(config, 0) is config and phases.ends(config, 5, 24) == [24]
    assert phases.ends(make_config(RUN | GROWING), 4, 10) == [10]  # a run may end before its frames are whole
    late = make_config(RUN | GROWING)
    assert phases.at(late, 12) == dataclasses.replace(late, train=dataclasses.replace(late.train, phases=()))
