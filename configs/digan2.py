"""What is better than the release, measured (docs/experiments.md), at its sizes: 128 x 128 on accelerators.

Data      as for the configuration it changes, or your own: --config.data.name=mine.
Command   digan train --config digan2 --config.data.name=mine --workdir runs/mine
Hardware  as sky_128.
Cost      a kimg takes 9 to 19 % longer than the release's, measured on two cores at 32 x 32 (docs/experiments.md).
Published none; not measured at this size.

All clips share one learned basis of Fourier features and learned constants, and w modulates gently at first, so a layout
is learnt once instead of for each clip. Motion is an aperiodic code that is trained at times beyond the clip. Critics
compare real and generated pairs of equal Δt, with R1 and R2.
"""

from configs import base

CHANGES = {
    "model.basis": "phased",
    "model.constants": 32,
    "model.modulation_gain": 0.3,
    "model.motion": "octaves",
    "train.horizon": 2.0,
    "train.loss": "relativistic",
    "train.r1_gamma": 5.0,
    "train.r2_gamma": 5.0,
}


def turned_on(c):
    """The configuration with all CHANGES."""
    c.update_from_flattened_dict(CHANGES)
    return c


def get_config():
    return turned_on(base.get_config())
