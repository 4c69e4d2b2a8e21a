"""Three short real videos at 32x32, on two CPU cores, from `bash scripts/quickstart.sh`.

Command:  digan train --config configs/quickstart.py --workdir runs/quickstart
Hardware: two CPU cores, 2 GB of memory. No published number: this shows the way, not the method's best.

Tried on these clips (kimg at which it was looked at; G the generator's loss, even play is 1.4):
  batch 16, R1 0.05, color + translation               G 3.7 at 10: coloured noise
  batch 8, R1 0.05, color + translation                G 2.7 at 10: stripes with scene colours
  batch 16, R1 0.5, no augmentation, no flips          G 5.9 at 5: the critic wins
  batch 16, R1 0.5, translation, rate 0.005            G 3.9 at 5: stripes
  batch 8, R1 0.05, color + translation, two scenes    G 8.2 at 5: the critic wins
  batch 8, R1 0.2, translation, two scenes, rate 0.005 G 8.3 at 5: the critic wins
  batch 8, R1 5, color + translation, two scenes       G 2.6 at 10: scene colours, smooth blobs
  batch 8, R1 2, color + translation                   G 2.4 at 35: scene colours, stripes and a lattice
  batch 16, R1 0.05, vectors of 512 (the paper's)      G 3.4 at 26, 4.6 at 70, 80: slanted stripes in scene colours
  batch 16, R1 1, color + translation                  G 2.4 at 43, 100: layout (pale figure, grass, blue),
                                                       soft shapes, dotted lattice; this is taken
  batch 16, R1 2 and R1 6, the same, two scenes        G 3.1 and 2.4 at 54: face-coloured spot in a car, lattice
"""

from configs import base


def get_config():
    c = base.get_config()
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.model.z_dim = c.model.w_dim = c.model.motion_dim = 128
    c.data.name, c.data.data_dir = "quickstart", "datasets"
    c.train.batch_size = 16
    c.train.total_kimg = 100.0
    c.train.r1_gamma = 1.0
    c.checkpoint.every_kimg = 5.0
    c.checkpoint.keep_every_kimg = 0.0
    c.log.samples_every_kimg = 5.0
    return c
