"""Talking heads at 32 x 32 on two CPU cores: arms of docs/experiments.md.

Data      bash scripts/ablations/prepare_heads.sh
Command   python scripts/ablations/run.py scripts/ablations/heads.py --out runs/heads --kimg 20,40,80
"""

from configs import base, digan2

SHARED = {"model.basis": "shared", "model.modulation_gain": 0.2, "train.batch_size": 8, "train.r1_gamma": 5.0}
CONSTANTS = {**SHARED, "model.constants": 32}
RELATIVISTIC = {"train.loss": "relativistic", "train.r2_gamma": 5.0}
PHASED = {
    **CONSTANTS, **RELATIVISTIC, "model.basis": "phased", "model.modulation_gain": 0.3, "model.motion": "octaves",
    "train.horizon": 2.0,
}  # fmt: skip
PLACES = {**PHASED, "model.places": 1, "model.constants": 8, "train.augment": ()}
FROM_8 = {**digan2.CHANGES, "train.batch_size": 8, "model.base": 8}  # the levels that coarse to fine needs
ARMS = {
    "release": {},
    "release_batch8": {"train.batch_size": 8, "train.r1_gamma": 5.0},
    "shared": SHARED,
    "constants": CONSTANTS,
    "relativistic": {**CONSTANTS, **RELATIVISTIC},
    "finite_differences": {**CONSTANTS, **RELATIVISTIC, "train.penalty": "finite_differences"},
    "shared_critic": {**CONSTANTS, **RELATIVISTIC, "model.critic": "shared"},
    "levels_from_8": {**CONSTANTS, **RELATIVISTIC, "model.base": 8, "model.upsample": "bilinear"},
    "batch16": {**CONSTANTS, **RELATIVISTIC, "train.batch_size": 16},
    "batch4": {**CONSTANTS, **RELATIVISTIC, "train.batch_size": 4},
    "moved": {**CONSTANTS, **RELATIVISTIC, "model.basis": "moved"},
    "octaves": {**CONSTANTS, **RELATIVISTIC, "model.motion": "octaves", "train.horizon": 2.0},
    "phased": PHASED,
    "places": PLACES,
    "places_three": {**PLACES, "model.places": 3},
    "places_augmented": {**PLACES, "train.augment": ("color", "translation")},
    "features": {**CONSTANTS, **RELATIVISTIC, "model.critic_features": "efficientnet_lite0"},
    "constant_gamma": {**digan2.CHANGES, "train.batch_size": 8, "train.gamma_end": 1.0},
    "lighter_motion_gamma": {**digan2.CHANGES, "train.batch_size": 8, "train.gamma_end": 1.0, "train.motion_gamma": 0.2},
    "narrow_content": {**digan2.CHANGES, "train.batch_size": 8, "train.gamma_end": 1.0, "model.z_dim": 128, "model.w_dim": 128},
    "digan2": {**digan2.CHANGES, "train.batch_size": 8},
    "digan2_from_8": FROM_8,
    "phases": {**FROM_8, "model.doublings": 2, "train.phases": (4.0, 12.0)},
    "phases_one": {**FROM_8, "model.doublings": 1, "train.phases": (8.0,)},
}


def get_config():
    c = base.get_config()
    c.model.resolution = 32
    c.model.channel_base, c.model.channel_max = 512, 32
    c.data.name, c.data.data_dir = "heads32", "datasets"
    c.data.flip = False
    c.train.batch_size = 16
    c.log.samples_every_kimg = 10.0
    return c
