"""Bouncing shapes, 64 x 64, synthetic: for trying things out without data, and for benchmarks.

Data      none needed: 4096 synthetic clips of textured shapes; `data.bouncing.render` gives the true frame at any time
          and size. Three classes (disc, square, ring); --config.model.n_classes=3 conditions on them.
Command   digan train --config bouncing --workdir runs/bouncing
Hardware  one GPU; a laptop with --config.model.resolution=32 --config.model.channel_base=1024.
Cost      1,000 kimg (thousands of frame pairs): 1,000 x the seconds per kimg in the training log.
Published none.
"""

from configs import base


def get_config():
    c = base.get_config()
    c.model.resolution = 64
    c.model.channel_base = 8192
    c.model.channel_max = 256
    c.data.source = "bouncing"
    c.train.batch_size = 32
    c.train.total_kimg = 1000.0
    c.checkpoint.every_kimg = 50.0
    c.checkpoint.keep_every_kimg = 0.0
    c.log.samples_every_kimg = 50.0
    return c
