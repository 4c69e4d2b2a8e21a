"""Meshes of eight fake devices: the same curve as on one, and what the devices send each other, read from the program."""

import re
from collections import Counter

import jax
import numpy as np
import pytest

from digan_jax import devices
from digan_jax.models.digan.state import init_state
from digan_jax.shapes import Batch, Condition
from digan_jax.training import loop
from digan_jax.training.compile import compile_iteration
from tests.models.test_steps import mesh_of
from tests.models.test_steps import run as run_on
from tests.training.conftest import RUN, metrics

QUICK = {"xla_backend_optimization_level": 0}  # compiling is what takes time
# Every kind of step with few layers: one trunk, no second derivatives. Channels of 64 use Winograd's algorithm.
BEYOND = {
    "train.loss": "relativistic", "train.penalty": "finite_differences", "train.r2_gamma": 0.5,
    "model.critic": "shared", "model.channel_base": 2048, "model.channel_max": 64, "train.augment": (),
}  # fmt: skip
RELEASE = {"train.path_length_weight": 2.0, "train.style_mixing_probability": 0.5, "train.r2_gamma": 1.0}
MATRIX = 2  # arrays of fewer axes stay whole on every device


def program(config, mesh) -> str:
    """The compiled iteration, as text."""
    abstract = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
    place = lambda x, sharding: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
    state = jax.tree.map(place, abstract, devices.of_state(mesh, abstract, config.mesh.fsdp))
    b, r, classes = config.train.batch_size, config.model.resolution, config.model.n_classes
    rows = lambda dtype, *shape: jax.ShapeDtypeStruct((b, *shape), dtype, sharding=devices.by_batch(mesh))
    condition = Condition(rows(np.float32, classes)) if classes else None
    batch = Batch(rows(np.uint8, 2, r, r, 3), rows(np.float32, 2), condition)
    return compile_iteration(config, mesh).lower(state, batch).compile(compiler_options=QUICK).as_text()


def sent(text: str) -> list[tuple[str, list[tuple[int, ...]], str]]:
    """(operation, shapes of its results, where it comes from) of everything that devices send each other."""
    kinds = "all-gather|all-reduce|all-to-all|collective-permute|collective-broadcast|reduce-scatter"
    found = []
    for line in text.splitlines():
        if match := re.search(rf"= (.*?) ({kinds})(-start)?\(", line):
            shapes = [tuple(map(int, s.split(","))) if s else () for s in re.findall(r"\w\[([\d,]*)\]", match[1])]
            came = re.search(r'op_name="([^"]*)"', line)
            found.append((match[2], shapes, came[1] if came else ""))
    return found


def statistics(found):
    """Of what is sent, the minibatch deviation's: it belongs to the critics' last block."""
    return [entry for entry in found if re.search(r"/b4/(jit\(_var\)/)?reduce_sum", entry[2])]


@pytest.mark.parametrize(
    "fields",
    [
        BEYOND,
        pytest.param(RELEASE, marks=pytest.mark.slow),
        pytest.param(RELEASE | {"train.batch_size": 32, "train.microbatch": 16}, marks=pytest.mark.slow),
        pytest.param(BEYOND | {"train.remat": True, "compute_dtype": "bfloat16"}, marks=pytest.mark.slow),
    ],
)
def test_data_parallel_devices_send_gradients_and_statistics_alone(make_config, fields):
    config = make_config({"train.batch_size": 16} | fields)
    found = sent(program(config, mesh_of(8)))
    assert {kind for kind, *_ in found} == {"all-reduce"}, [entry for entry in found if entry[0] != "all-reduce"]
    others = [entry for entry in found if entry not in statistics(found)]
    # Gradients of generator and critics, and of the regularisers of each. XLA sends what is ready before and after a loop
    # apart, so two or three all-reduces for a tree.
    path_length, lazy = "train.path_length_weight" in fields, config.train.penalty == "lazy"
    trees = 2 + path_length + lazy
    assert trees <= len(others) <= 3 * trees, others
    # A gradient of gradients has a term for the layer and one for its transpose, and XLA:CPU sums each over the devices
    # before it adds them: twice a weight in a path length step, and in an R1 step for each side that is penalised.
    # Compilers for accelerators add first (docs/scaling.md).
    state = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
    sides = (config.train.r1_gamma > 0) + (config.train.r2_gamma > 0)
    # So it does with the mapping, which style mixing calls twice.
    allowed, needed = Counter(), Counter()
    if config.train.style_mixing_probability:
        allowed += Counter(x.size for x in jax.tree.leaves(state.generator["mapping"]) for _ in range(1 + path_length))
    for tree, again in ((state.generator, 2 * path_length), (state.critic, 2 * sides * lazy)):
        for x in jax.tree.leaves(tree):
            allowed[x.size] += 1 + again
            needed[x.size] += 1 + (again > 0)
    moved = Counter(int(np.prod(shape)) for _, shapes, _ in others for shape in shapes)
    extra = moved - allowed
    assert sum(extra.values()) <= 40 and max(extra, default=0) <= config.model.w_dim, extra  # losses, means, scores
    wide = {size: count for size, count in needed.items() if size > 256}
    assert all(moved[size] >= 0.9 * count for size, count in wide.items()), (moved, wide)


@pytest.mark.slow
def test_classes_are_gathered_to_be_permuted(make_config):
    """The classes of generated clips are a permutation of the whole batch's: the one thing that is gathered."""
    found = sent(program(make_config({"model.n_classes": 3, "train.batch_size": 16}), mesh_of(8)))
    gathered = [entry for entry in found if entry[0] != "all-reduce"]
    assert all(shapes == [(16, 3)] for _, shapes, _ in gathered), gathered


def test_parted_state_is_gathered_once_as_weights(make_config):
    """With mesh.fsdp a device updates its part of each matrix, and all get the new weights: nothing else is gathered."""
    config = make_config(BEYOND | {"train.batch_size": 16, "mesh.fsdp": True})
    found = sent(program(config, mesh_of(8)))
    assert {kind for kind, *_ in found} <= {"all-reduce", "all-gather", "reduce-scatter"}
    gathered = sorted(shape for kind, shapes, _ in found if kind == "all-gather" for shape in shapes)
    state = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
    matrices = [x.shape for x in jax.tree.leaves((state.generator, state.critic)) if x.ndim >= MATRIX]
    parted = sorted(shape for shape in matrices if any(size % 8 == 0 for size in shape))
    assert [np.prod(shape) for shape in gathered] == [np.prod(shape) for shape in parted]


def test_parted_state_takes_its_share_of_memory(make_config):
    wide = {"model.channel_base": 32768, "model.channel_max": 512, "model.w_dim": 512, "model.motion_dim": 512}
    config = make_config(wide)
    mesh = mesh_of(8, 2)
    state = jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))
    bytes_of = lambda tree, shardings: sum(
        int(np.prod(s.shard_shape(x.shape))) * 4 for x, s in zip(jax.tree.leaves(tree), jax.tree.leaves(shardings))
    )
    whole, parted = (devices.of_state(mesh, state, fsdp) for fsdp in (False, True))
    for name in ("ema", "generator_optimizer", "critic_optimizer"):
        tree = getattr(state, name)
        # A quarter, but for vectors and for matrices whose sizes 4 does not divide: less than one in a hundred.
        assert 0.25 <= bytes_of(tree, getattr(parted, name)) / bytes_of(tree, getattr(whole, name)) < 0.26
    for name in ("generator", "critic", "w_avg"):
        assert getattr(parted, name) == getattr(whole, name)


@pytest.fixture(scope="module")
def curve_of_one(make_config):
    return run_on(make_config(BEYOND), mesh_of(1), 3)


@pytest.mark.slow
@pytest.mark.parametrize("model", [1, 2, 4, 8])
@pytest.mark.parametrize("fsdp", [False, True])
def test_every_layout_gives_the_same_curve(make_config, curve_of_one, model, fsdp):
    config = make_config(BEYOND | {"mesh.fsdp": fsdp, "mesh.model": model})
    state, history, _ = run_on(config, mesh_of(8, model), 3)
    for step, (ours, theirs) in enumerate(zip(history, curve_of_one[1], strict=True)):
        # First step: float32 sums in another order. Then Adam divides by the gradient's size, which turns rounding of
        # near-zero gradients into steps of the learning rate: scores of about 0.2 differ by up to 0.006, with other
        # noise by 0.3. Signs of scores near 0 may turn.
        rtol, atol = (1e-4, 1e-5) if step == 0 else (2e-2, 1e-2)
        for name in (name for name in ours if "sign" not in name):
            np.testing.assert_allclose(ours[name], theirs[name], rtol=rtol, atol=atol, err_msg=name)
    assert state.step == 3


@pytest.mark.slow
def test_a_run_goes_on_with_parted_state_and_back(tmp_path, make_config, monkeypatch):
    """Whole, then parted among eight devices, then whole: the curve of a run that was never stopped."""
    monkeypatch.setattr(loop.devices, "make_mesh", lambda model: mesh_of(8, model))
    fields = BEYOND | RUN | {"train.total_kimg": 0.024, "checkpoint.every_kimg": 0.008}
    loop.train(make_config(fields), str(tmp_path / "whole"))
    for steps, fsdp in ((1, False), (2, True), (3, False)):
        changed = {"train.total_kimg": 0.008 * steps, "mesh.fsdp": fsdp, "train.remat": fsdp}
        loop.train(make_config(fields | changed), str(tmp_path / "pieces"))
    whole, pieces = metrics(tmp_path / "whole"), metrics(tmp_path / "pieces")
    assert [line["step"] for line in pieces] == [1, 2, 3]
    for ours, theirs in zip(pieces, whole, strict=True):
        for name in (name for name in theirs if "sign" not in name):  # rounding, as between layouts
            np.testing.assert_allclose(ours[name], theirs[name], rtol=2e-2, atol=2e-3, err_msg=name)
