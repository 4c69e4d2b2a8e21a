"""Label maps to clips, 32 x 32: background, disc, square and ring of bouncing shapes, each object with its own look.

Trained by L1 alone, and the maps and looks alone decide; --config.task.adversarial=1 --config.task.feature_matching=10
adds the critics, for sharper frames, and --config.model.condition_alone=False lets ids draw different clips.

Data      none needed; your own: --config.data.source=pairs --config.data.path=FOLDER (docs/tasks_translate.md), and
          --config.model.condition_planes=LABELS.
Command   digan train --config translate --workdir runs/translate
          digan condition styles --run runs/translate
          digan translate --labels maps --run runs/translate --out clip.mp4
Hardware  two CPU cores, 3 GB of memory; one GPU for larger models.
Cost      30 kimg (thousands of frame pairs): 30 x the seconds per kimg in the training log.
Published none.
"""

from configs import upscale


def get_config():
    c = upscale.of_task("translate", resolution=32)
    c.model.condition_planes, c.model.condition_style = 4, 16
    c.model.condition_skip, c.model.condition_gain = True, 0.3  # the picture starts as each object in its mean colour
    c.model.condition_carried = True  # and adds the pixels of the frame that shows its looks
    c.model.condition_alone = True  # without critics noise is only in the way
    c.data.frames, c.train.anneal = 7, 0.4
    return c
