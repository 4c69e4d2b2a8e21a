"""Poses to clips, 32 x 32: ten limbs are labels (docs/tasks_translate.md); figures drawn with a stick figure's joints.

Data      none needed; your own: clips in FOLDER/frames and the maps of `digan condition make --poses` in FOLDER/labels,
          --config.data.source=pairs --config.data.path=FOLDER.
Command   digan train --config translate_poses --workdir runs/poses
          digan translate --poses keypoints.json --run runs/poses --style-from frame.png --out clip.mp4
Hardware  as translate.
Cost      as translate.
Published none.
"""

from configs import translate


def get_config():
    c = translate.get_config()
    c.model.condition_planes, c.data.source = 11, "figures"
    return c
