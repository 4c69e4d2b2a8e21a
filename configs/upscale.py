"""Super-resolution in space and time, of real clips: by 2 or 4, and every second frame to all.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config upscale --workdir runs/upscale
          digan upscale small.mp4 --run runs/upscale --scale 4 --fps 60 --out large.mp4
Hardware  two CPU cores, 2 GB of memory; one GPU for larger models.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import base

SMALL = dict(channel_base=2048, channel_max=64, z_dim=16, w_dim=32, motion_dim=16, n_frequencies=32, basis="shared")
TINY = SMALL | dict(channel_base=512, channel_max=16, n_frequencies=8, rank=4, base=8)  # the encoder does the work
SHOWN = dict(condition_planes=3, condition_width=16, condition_reach=2, condition_skip=True, condition_warp=True)
SHOWN |= dict(condition_detail=True, condition_alone=True)
SHOWN |= dict(condition_gain=0.03)  # Adam's first steps would else be as large as the difference that is learnt


def of_task(name: str, resolution: int):
    """The small model of a task on bouncing shapes, trained by L1 alone; --config.task.adversarial=1 for sharper frames."""
    c = base.get_config()
    c.model.update(SMALL | dict(resolution=resolution, upsample="bilinear", condition_planes=3, condition_width=24))
    c.data.source, c.data.frames = "bouncing", 13
    c.task.name, c.task.adversarial = name, 0.0
    c.train.batch_size, c.train.total_kimg, c.train.learning_rate, c.train.adam_beta1 = 8, 30.0, 0.002, 0.9
    c.checkpoint.every_kimg, c.log.samples_every_kimg = 2.0, 10.0
    return c


def restoring(name: str, frames: int):
    """The model of a task that restores real clips: trained on tiles of 32 x 32, it draws any size in windows.

    All are shown five maps, so that those with the same kind of flow are one program, compiled once.
    """
    c = of_task(name, resolution=32)
    c.model.update(TINY | SHOWN)
    c.data.source, c.data.name, c.data.data_dir, c.data.frames = "tfds", "real32", "datasets", frames
    c.train.batch_size, c.train.total_kimg, c.log.samples_every_kimg = 4, 10.0, 5.0
    c.train.ema_rampup = 0.2  # a long mean: small batches make steps noisy
    return c


def get_config():
    c = restoring("upscale", frames=9)
    c.task.factors, c.task.every = (2, 4), 2
    c.model.condition_flow, c.train.anneal = "classical", 0.5
    return c
