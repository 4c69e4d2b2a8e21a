"""Damaged clips to whole ones, 32 x 32: a rectangle and a quarter of the frames are hidden; bouncing shapes.

Data      none needed; for own videos --config.data.source=folder --config.data.path=my_videos.
Command   digan train --config complete --workdir runs/complete
Hardware  two CPU cores, 3 GB of memory.
Cost      30 kimg (thousands of frame pairs): 30 x the seconds per kimg in the training log.
Published none.
"""

from configs import upscale


def get_config():
    return upscale.of_task("complete", resolution=32)
