"""Kinetics-food (the food classes of Kinetics-600), unconditional, 128 x 128, 16 consecutive frames.

Data      the training videos of the food classes, with or without class folders:
            digan prepare kinetics_food/train --name kinetics_food_128 --size 128 --frames 16 --cuts
          --cuts splits edited web videos at cuts; without it, clips may span two shots.
Command   digan train --config kinetics_food_128 --workdir runs/kinetics_food_128
Hardware  the release: 8 GPUs with 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 kimg (thousands of frame pairs): 25,000 x the seconds per kimg in the training log.
Published FVD and KVD in the main table of Yu et al. 2022 (protocol `digan`).
"""

from configs import base


def get_config():
    c = base.get_config()
    c.data.name = "kinetics_food_128"
    c.data.windows = "disjoint"
    c.data.workers = 4
    return c
