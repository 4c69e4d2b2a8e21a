"""Label planes to clips, 32 x 32: background, disc, square and ring of bouncing shapes.

Data      none needed; labels of pixels are known for bouncing shapes alone.
Command   digan train --config translate --workdir runs/translate
Hardware  two CPU cores, 3 GB of memory.
Cost      30 kimg (thousands of frame pairs): 30 x the seconds per kimg in the training log.
Published none.
"""

from configs import upscale


def get_config():
    c = upscale.of_task("translate", resolution=32)
    c.model.condition_planes = 4
    return c
