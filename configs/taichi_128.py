"""TaiChi-HD, unconditional, 128 x 128, 16 frames, every 4th source frame.

Data      the dataset's training folder of videos or frame folders:
            digan prepare taichi/train --name taichi_128 --size 128 --frames 16 --stride 4
Command   digan train --config taichi_128 --workdir runs/taichi_128
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD: see the paper (Yu et al. 2022); protocol `digan`.
"""

from configs import base


def get_config():
    c = base.get_config()
    c.data.name = "taichi_128"
    c.data.stride = 4
    c.data.windows = "disjoint"
    c.data.workers = 4
    return c
