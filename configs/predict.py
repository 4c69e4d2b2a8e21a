"""The first five of 14 frames to the rest, of real clips.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config predict --workdir runs/predict
          digan predict clip.mp4 --frames 16 --futures 3 --run runs/predict --out then.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import upscale


def get_config():
    c = upscale.restoring("predict", frames=14)
    c.task.shown, c.train.anneal = 5, 0.5
    c.model.update(condition_alone=False, modulation_gain=0.1)
    return c
