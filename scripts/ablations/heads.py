"""Talking heads at 32 x 32 on two CPU cores: arms of docs/experiments.md.

Data      bash scripts/ablations/prepare_heads.sh
Command   python scripts/ablations/run.py scripts/ablations/heads.py --out runs/heads --kimg 20,40
"""

from configs import base

NEW = {
    "model.basis": "shared", "model.modulation_gain": 0.2, "model.constants": 32,
    "train.loss": "relativistic", "train.penalty": "finite_differences", "train.r1_gamma": 1.0, "train.r2_gamma": 1.0,
}  # fmt: skip
ARMS = {
    "release": {},
    "new": NEW,
}


def get_config():
    c = base.get_config()
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.data.name, c.data.data_dir = "heads32", "datasets"
    c.data.flip = False
    c.train.batch_size = 16
    c.checkpoint.every_kimg = 10.0
    c.log.samples_every_kimg = 10.0
    return c
