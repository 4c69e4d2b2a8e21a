"""A recurrent predictor (ConvGRU) that `predict` is held against: the first five of 14 frames to the rest.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config convgru --workdir runs/convgru
          digan predict clip.mp4 --frames 16 --run runs/convgru --out then.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of clips): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from ml_collections import ConfigDict

from configs import predict


def get_config():
    c = predict.get_config()
    c.family = "convgru"
    c.model = ConfigDict(dict(resolution=32, width=32, layers=2, n_classes=0))
    return c
