"""Sky Time-lapse, unconditional, 128 x 128, 16 consecutive frames.

Data      the dataset's training folder, with a folder of frames per shot:
            digan prepare sky_timelapse/sky_train --name sky_128 --size 128 --frames 16
          Its upper folders are read as classes, which an unconditional model ignores.
          Copies of this dataset differ: the FVD of one generator was 234 against the original frames and 50 against a
          256 x 256 copy.
Command   digan train --config sky_128 --workdir runs/sky_128
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD: see the paper (Yu et al. 2022); protocol `digan`.
"""

from configs import base


def get_config():
    c = base.get_config()
    c.data.name = "sky_128"
    c.data.windows = "disjoint"
    c.data.workers = 4
    return c
