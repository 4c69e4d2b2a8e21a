"""Three frames between every two, of real clips.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config interpolate --workdir runs/interpolate
          digan interpolate clip.mp4 --run runs/interpolate --factor 4 --out smooth.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import upscale


def get_config():
    c = upscale.restoring("interpolate", frames=17)
    c.task.every = 4
    c.model.condition_flow, c.train.anneal = "classical", 0.4
    return c
