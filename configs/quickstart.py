"""Two short real videos, 32 x 32, on two CPU cores: the quickstart.

Data      downloaded and prepared by `bash scripts/quickstart.sh`.
Command   digan train --config quickstart --workdir runs/quickstart
Hardware  two CPU cores, 2 GB of memory.
Cost      100 kimg (thousands of frame pairs): 100 x the seconds per kimg in the training log.
Published none: this shows the steps, not the quality of the method.

The important setting is z_dim = 2. Frequencies and phases of the Fourier features depend on the content vector, so each
content has its own basis. With 128 or 512 independent dimensions no two samples share a coordinate system, and the
layout must be learnt for each of them. Normalised two-dimensional noise lies on a circle, which the few scenes share.

Settings tried on these clips (G: generator loss at the given kimg; 1.4 is balanced against the critics):
  z 128 or 512, with flips, batch 16 or 8, three clips
    R1 0.05, color + translation                       G 3.7 at 10: coloured noise; 4.6 at 70, 80: slanted stripes
    R1 0.5, translation or no augmentation             G 3.9 to 5.9 at 5: the critics win
    R1 1, color + translation                          G 2.4 at 43, 100: soft shapes in scene colours, lattice
    R1 2, 5, 6, two clips                              G 2.4 to 3.1 at 54: face-coloured spot in a car, lattice
  z 128, no flips, one clip, R1 1, rate 0.0025 / 0.001 G 5.7 / 8.1 at 7: the critics win
  z 128, no flips, one clip, R1 20 / 100               G 2.3 / 1.7 at 15: a different pattern in each sample
  z 2, no flips, one clip, R1 5                        G 1.5 at 10: face, suit and window; 15: tie, blue stripes
  z 4, no flips, three clips, R1 5                     G 1.5 at 11: stripes in scene colours
  z 2, no flips, three clips, R1 2                     G 1.4 at 100: rabbit, man; bicycles worse (cuts, and a fence
                                                       that aliases at this size)
  z 2, no flips, two clips, R1 5 (chosen)              G 1.4 at 10: rabbit's meadow, man in a car; 95: the rabbit
                                                       gets up, the man turns his head
"""

from configs import base


def get_config():
    c = base.get_config()
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.model.z_dim = 2
    c.model.w_dim = c.model.motion_dim = 128
    c.data.name, c.data.data_dir = "quickstart", "datasets"
    c.data.flip = False
    c.train.batch_size = 16
    c.train.total_kimg = 100.0
    c.train.r1_gamma = 5.0
    c.checkpoint.every_kimg = 5.0
    c.checkpoint.keep_every_kimg = 0.0
    c.log.samples_every_kimg = 5.0
    return c
