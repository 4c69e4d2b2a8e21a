"""UCF-101, unconditional, 128 x 128, 16 frames, trained on train + test as the paper's 577 was.

Data      the UCF-101 archive, arranged by its first official split, class folders within (hard links, no copies):
            for s in train test; do
              sed 's/ .*//' ucfTrainTestlist/${s}list01.txt | tr -d '\\r' | while read -r f; do
                mkdir -p "ucf101/$s/${f%/*}" && ln "UCF-101/$f" "ucf101/$s/$f"; done; done
            digan prepare ucf101 --name ucf101_128 --size 128 --frames 16
          about 2.5 million frames, some 80 GB; use --workers and a disk that holds it.
Command   digan train --config ucf101_128 --workdir runs/ucf101_128
Hardware  the release: 8 GPUs, 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 thousand frame pairs: 25,000 x the seconds per kimg that the console line shows.
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
