"""Label maps to clips, 32 x 32: background, disc, square and ring of bouncing shapes, each object with a look of its own.

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
    c.task.adversarial, c.task.feature_matching = 1.0, 10.0  # from 0: labels alone, with L1
    c.train.r1_gamma, c.train.r1_every, c.train.learning_rate, c.train.adam_beta1 = 0.3, 8, 0.001, 0.0
    c.train.augment = ()
    return c
