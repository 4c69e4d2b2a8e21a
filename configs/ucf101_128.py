"""UCF-101, unconditional, 128 x 128, 16 consecutive frames, trained on train + test (the paper's FVD 577).

Data      the UCF-101 archive, arranged by its first official split into class folders (hard links, no copies):
            for s in train test; do
              sed 's/ .*//' ucfTrainTestlist/${s}list01.txt | tr -d '\\r' | while read -r f; do
                mkdir -p "ucf101/$s/${f%/*}" && ln "UCF-101/$f" "ucf101/$s/$f"; done; done
            digan prepare ucf101 --name ucf101_128 --size 128 --frames 16
          About 2.5 million frames, 80 GB; use --workers for speed.
Command   digan train --config ucf101_128 --workdir runs/ucf101_128
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD 577 +- 21, IS 32.70 (Yu et al. 2022, train + test; protocol `digan`).
"""

from configs import base


def get_config():
    c = base.get_config()
    c.data.name = "ucf101_128"
    c.data.split = "train+test"
    c.data.windows = "disjoint"
    c.data.workers = 4
    return c
