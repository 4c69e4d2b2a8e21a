"""The first four of 13 frames to the rest, 32 x 32; bouncing shapes.

Data      none needed; for own videos --config.data.source=folder --config.data.path=my_videos.
Command   digan train --config predict --workdir runs/predict
Hardware  two CPU cores, 3 GB of memory.
Cost      30 kimg (thousands of frame pairs): 30 x the seconds per kimg in the training log.
Published none.
"""

from configs import upscale


def get_config():
    return upscale.of_task("predict", resolution=32)
