"""Kinetics-food (the food classes of Kinetics-600), unconditional, 128 x 128, 16 consecutive frames.

Data      the train videos of the food classes, in class folders or not:
            digan prepare kinetics_food/train --name kinetics_food_128 --size 128 --frames 16 --cuts
          --cuts, because web videos are edited: without it clips span two shots.
Command   digan train --config kinetics_food_128 --workdir runs/kinetics_food_128
Hardware  the release: 8 GPUs, 8 clips each. Any number of devices that divides 64 gives the same run.
Cost      25,000 thousand frame pairs: 25,000 x the seconds per kimg that the console line shows.
Published FVD and KVD in the main table of Yu et al. 2022 (protocol `digan`).
"""

from configs import base


def get_config():
    c = base.get_config()
    c.data.name = "kinetics_food_128"
    c.data.windows = "disjoint"
    c.data.workers = 4
    return c
