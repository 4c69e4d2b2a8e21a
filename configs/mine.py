"""Your own clips, 64 x 64: what docs/experiments.md found best, for one GPU or a patient laptop.

Data      digan prepare my_videos/ --name mine --size 64 --frames 16
          Another size: --size 128 here, and --config.model.resolution=128 below.
Command   digan train --config mine --workdir runs/mine
Hardware  one GPU; a laptop with --config.model.channel_base=1024 --config.model.channel_max=32.
Cost      500 kimg (thousands of frame pairs): 500 x the seconds per kimg in the training log. Shapes show after 5 to 20.
Published none.

Small sets (a few videos) learn quickest with small batches; with thousands of videos set train.batch_size=32 or more. If
left and right differ, as with text or one talking head, set data.flip=false.
"""

from configs import base, digan2


def get_config():
    c = digan2.turned_on(base.get_config())
    c.model.resolution = 64
    c.model.channel_base, c.model.channel_max = 8192, 256
    c.data.name = "mine"
    c.train.batch_size = 8
    c.train.total_kimg = 500.0
    c.checkpoint.every_kimg = 10.0
    c.checkpoint.keep_every_kimg = 100.0
    c.log.samples_every_kimg = 5.0
    return c
