"""Memory of a device in training, by resolution, number of devices and switches: the tables of docs/scaling.md.

    python scripts/memory_table.py               from shapes alone, the full model; seconds, no device needed
    python scripts/memory_table.py --compiled    from compiled iterations of a small model; minutes

State is counted from the shardings that training uses. Activations are what the backward pass of the generator or of
the critic step keeps, the larger of the two, from the shapes that differentiation asks for: XLA may keep less, where it
computes some again, and needs scratch space besides. R1 and path length steps are left out.
"""

from __future__ import annotations

import argparse

import jax
import jax.numpy as jnp
import numpy as np

from digan_jax import devices
from digan_jax.config import RunConfig, files
from digan_jax.models.digan import networks, sampling
from digan_jax.models.digan.networks import networks_of
from digan_jax.models.digan.state import GanState, init_state
from digan_jax.models.interface import Setting
from digan_jax.shapes import Batch
from digan_jax.training.compile import compile_iteration

GIB = 2**30
SMALL = {"model.resolution": 64, "model.channel_base": 1024, "model.channel_max": 64, "train.batch_size": 16}


def config_of(fields: dict) -> RunConfig:
    fields = {"data.source": "bouncing"} | fields
    return files.load("base", [f"--config.{name}={value}" for name, value in fields.items()])


def state_of(config: RunConfig) -> GanState:
    """The state's shapes."""
    return jax.eval_shape(lambda key: init_state(key, config), jax.random.key(0))


def batch_of(config: RunConfig) -> Batch:
    """The batch's shapes."""
    b, r = config.train.batch_size, config.model.resolution
    shape = jax.ShapeDtypeStruct
    return Batch(shape((b, 2, r, r, 3), jnp.uint8), shape((b, 2), jnp.float32))


def size(tree) -> int:
    """Bytes of all arrays."""
    return sum(x.size * x.dtype.itemsize for x in jax.tree.leaves(tree))


def on_a_device(tree, shardings) -> int:
    """Bytes of one device's shards."""
    pairs = zip(jax.tree.leaves(tree), jax.tree.leaves(shardings), strict=True)
    return sum(int(np.prod(s.shard_shape(x.shape))) * x.dtype.itemsize for x, s in pairs)


def kept(config: RunConfig) -> int:
    """Bytes a clip that the backward pass of the larger of the two steps keeps, weights left out."""
    nets, b, r = networks_of(config), config.train.batch_size, config.model.resolution
    setting = Setting(config)

    def of_generator(state, noise):
        judged = lambda frames: nets.critic.apply(state.critic, frames, noise.times[:, 1])
        return residuals(lambda params: judged(sampling.generate(setting, params, noise, None)[0]), state.generator)

    def of_critic(state, noise):
        frames = jnp.zeros((b, 2, 2, r, r, 3))
        seen = networks.motion_input(frames, jnp.zeros((b, 2))), frames
        return residuals(lambda params: nets.critic.apply_batches(params, *seen), state.critic)

    def residuals(f, params):
        """What `jax.vjp` keeps, each array once."""
        arrays = {id(x): x for x in jax.tree.leaves(jax.vjp(f, params)[1])}
        return [x for key, x in arrays.items() if key not in set(map(id, jax.tree.leaves(params)))]

    noise = jax.eval_shape(lambda: sampling.sample_noise(setting, jax.random.key(0)))
    return max(size(jax.eval_shape(f, state_of(config), noise)) for f in (of_generator, of_critic)) // b


def table(resolution: int, chips: list[int]) -> list[str]:
    """Lines of Markdown: memory of one device, in GiB, with a batch of 64 clips or one a device."""
    full = {"model.resolution": resolution, "train.batch_size": 4}
    a_clip = {
        (dtype, remat): kept(config_of(full | {"compute_dtype": dtype, "train.remat": remat}))
        for dtype in ("float32", "bfloat16")
        for remat in (False, True)
    }
    config = config_of(full)
    state, lines = state_of(config), []
    weights = size((state.generator, state.critic))
    gradients = max(size(state.generator), size(state.critic))
    for count in chips:
        mesh = jax.sharding.AbstractMesh((count, 1), ("data", "model"))
        rest = lambda s: (s.generator_optimizer, s.critic_optimizer, s.ema)
        whole, parted = (on_a_device(rest(state), rest(devices.of_state(mesh, state, f))) for f in (False, True))
        clips = max(64, count) // count
        cells = [weights, gradients, whole, parted, *(bytes_ * clips for bytes_ in a_clip.values())]
        lines.append(f"| {resolution}² | {count} | {clips} | " + " | ".join(f"{n / GIB:.2f}" for n in cells) + " |")
    return lines


def compiled() -> None:
    """Prints lines of Markdown: scratch memory of a small model's compiled iteration, in MiB, by switches."""
    for name, fields in {
        "all activations": {}, "`train.remat`": {"train.remat": True}, "`train.microbatch=4`": {"train.microbatch": 4},
        "both": {"train.microbatch": 4, "train.remat": True}, "`compute_dtype=bfloat16`": {"compute_dtype": "bfloat16"},
    }.items():  # fmt: skip
        config = config_of(SMALL | fields)
        mesh = jax.make_mesh((1, 1), ("data", "model"), (jax.sharding.AxisType.Auto,) * 2, devices=jax.devices()[:1])
        program = compile_iteration(config, mesh).lower(state_of(config), batch_of(config))
        memory = program.compile(compiler_options={"xla_backend_optimization_level": 0}).memory_analysis()
        print(f"| {name} | {memory.temp_size_in_bytes / 2**20:.1f} |", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--compiled", action="store_true")
    if parser.parse_args().compiled:
        return compiled()
    for resolution in (128, 256, 512):
        print("\n".join(table(resolution, [1, 8, 32, 256])), flush=True)


if __name__ == "__main__":
    main()
