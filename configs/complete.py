"""Damaged clips to whole ones, of real clips: a rectangle and three frames of ten are hidden.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config complete --workdir runs/complete
          digan complete clip.mp4 --missing 4-7 --mask holes.png --run runs/complete --out whole.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import upscale


def get_config():
    c = upscale.restoring("complete", frames=5)
    c.task.fill, c.task.missing = True, 0.3
    return c
