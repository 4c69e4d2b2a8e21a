"""Noisy clips to clean ones, of real clips: white noise of any deviation up to 50 grey levels.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config denoise --workdir runs/denoise
          digan denoise noisy.mp4 --run runs/denoise --sigma auto --out clean.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import upscale


def get_config():
    return upscale.restoring("denoise", frames=5)
