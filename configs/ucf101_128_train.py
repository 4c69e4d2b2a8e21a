"""UCF-101 as in `ucf101_128`, on the train split only (the paper's FVD 655).

Data      as in `ucf101_128`.
Command   digan train --config ucf101_128_train --workdir runs/ucf101_128_train
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD 655 +- 22, IS 29.71 (Yu et al. 2022, train split). The authors' release silently trains on train + test;
          its numbers belong to `ucf101_128`.
"""

from configs import ucf101_128


def get_config():
    c = ucf101_128.get_config()
    c.data.split = "train"
    return c
