"""Super-resolution in space and time, 16 x 16 to 64 x 64 and every third frame to all, of bouncing shapes.

Data      none needed; for own videos --config.data.source=folder --config.data.path=my_videos.
Command   digan train --config upscale --workdir runs/upscale
          digan upscale small.mp4 --run runs/upscale --scale 4 --fps 60 --out large.mp4
Hardware  two CPU cores, 3 GB of memory; one GPU for larger models.
Cost      30 kimg (thousands of frame pairs): 30 x the seconds per kimg in the training log.
Published none.
"""

from configs import base

SMALL = dict(channel_base=2048, channel_max=64, z_dim=16, w_dim=32, motion_dim=16, n_frequencies=32, basis="shared")


def of_task(name: str, resolution: int):
    """The small model of a task on bouncing shapes, trained by L1 alone; --config.task.adversarial=1 for sharper frames."""
    c = base.get_config()
    c.model.update(SMALL | dict(resolution=resolution, upsample="bilinear", condition_planes=3, condition_width=24))
    c.data.source, c.data.frames = "bouncing", 13
    c.task.name, c.task.adversarial = name, 0.0
    c.train.batch_size, c.train.total_kimg, c.train.learning_rate, c.train.adam_beta1 = 8, 30.0, 0.002, 0.9
    c.checkpoint.every_kimg, c.log.samples_every_kimg = 2.0, 10.0
    return c


def get_config():
    c = of_task("upscale", resolution=64)
    c.model.condition_skip = True
    c.task.factor, c.task.every = 4, 3
    return c
