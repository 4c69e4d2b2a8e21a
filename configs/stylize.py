"""Real clips in a style, to any degree: posters, ink, two colours, or the colours of a picture.

Data      bash scripts/tasks/prepare.sh; for own videos --config.data.name=mine, prepared with --size 32.
Command   digan train --config stylize --config.task.style=ink --workdir runs/stylize
          digan stylize clip.mp4 --run runs/stylize --degree 0.7 --out drawn.mp4
Hardware  two CPU cores, 2 GB of memory.
Cost      10 kimg (thousands of frame pairs): 10 x the seconds per kimg in the training log.
Published none; ours in docs/tasks.md.
"""

from configs import upscale


def get_config():
    c = upscale.restoring("stylize", frames=5)
    c.task.style = "ink"
    c.model.condition_gain = 1.0  # the style is as large as the picture
    return c
