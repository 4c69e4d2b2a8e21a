"""VIDM (Mei and Patel, AAAI 2023) with the settings of its release: where configurations of the family vidm start.

Data      none named: --config.data.name=..., clips of 128 frames or more.
Command   digan train --config vidm --config.data.name=mine --workdir runs/mine
Hardware  as vidm_sky_128.
Published the release trained CLEVRER for 400,000 steps of 256 clips; no FVD of it is known.

Every field of `model` and `vidm` is explained where it is defined, in digan_jax/config/vidm.py. Of the fields of
`train`, this family uses those below and the seed; the others are DIGAN's.
"""

import dataclasses

from ml_collections import ConfigDict

from configs import base
from digan_jax.config.vidm import VidmConfig


def get_config():
    c = base.get_config()
    c.family = "vidm"
    c.model = ConfigDict(dataclasses.asdict(VidmConfig(resolution=128)))
    c.data.frames = c.model.frames
    c.data.name = "mine"

    t = c.train
    t.batch_size = 48  # README of the release; the paper's is 256
    t.total_kimg = 38400.0  # 800,000 steps of 48, the release's limit
    t.learning_rate = 2e-5
    t.adam_beta1, t.adam_beta2, t.adam_epsilon = 0.9, 0.999, 1e-8
    t.augment = ()
    t.mbstd_group_size = 1  # has no meaning here, and would restrict the batch size
    return c
