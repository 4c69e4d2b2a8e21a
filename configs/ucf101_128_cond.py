"""UCF-101 as in `ucf101_128`, class-conditional: 101 classes, from the class folders.

Data      as in `ucf101_128`.
Command   digan train --config ucf101_128_cond --workdir runs/ucf101_128_cond
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD 465 +- 12, IS 59.68 (Yu et al. 2022, train + test; protocol `digan`).
"""

from configs import ucf101_128


def get_config():
    c = ucf101_128.get_config()
    c.model.n_classes = 101
    return c
