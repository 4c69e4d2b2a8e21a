"""Drawings to clips, 32 x 32: edges of the clips themselves (Canny) are shown in training.

Data      digan prepare my_videos/ --name mine --size 32 --frames 16; or --config.data.source=bouncing.
Command   digan train --config translate_edges --config.data.name=mine --workdir runs/edges
          digan condition make --edges clip.mp4 --out maps
          digan translate --edges maps --run runs/edges --out clip.mp4
Hardware  as translate.
Cost      as translate.
Published none.
"""

from configs import translate


def get_config():
    c = translate.get_config()
    c.model.condition_planes, c.model.condition_style, c.task.name = 1, 0, "edges"
    c.model.condition_skip, c.model.condition_gain = False, 1.0
    c.data.source, c.data.name, c.data.frames = "tfds", "mine", 16
    return c
