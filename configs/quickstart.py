"""Two short real videos, 32 x 32, on two CPU cores: the quickstart.

Data      downloaded and prepared by `bash scripts/quickstart.sh`; the last quarter of each video is held out.
Command   digan train --config quickstart --workdir runs/quickstart
Hardware  two CPU cores, 3 GB of memory.
Cost      27 kimg (thousands of frame pairs): 27 x the seconds per kimg in the training log.
Published none: this shows the steps, not the quality of the method at its full size.

The settings are those of digan2, which learns small sets from noise of full size (docs/experiments.md).
"""

from configs import base, digan2


def get_config():
    c = digan2.turned_on(base.get_config())
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.data.name, c.data.data_dir = "quickstart", "datasets"
    c.data.held_out = "val"
    c.data.flip = False
    c.train.batch_size = 8
    c.train.total_kimg = c.train.gamma_by_kimg = 27.0
    c.checkpoint.every_kimg = 2.5
    c.checkpoint.keep_every_kimg = 0.0
    c.log.samples_every_kimg = 2.5
    return c
