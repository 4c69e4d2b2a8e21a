"""What is better than the release, measured (docs/experiments.md), at its sizes: 128 x 128 on accelerators.

Data      as for the configuration it changes, or your own: --config.data.name=mine.
Command   digan train --config digan2 --config.data.name=mine --workdir runs/mine
Hardware  as sky_128.
Cost      a kimg takes 12 to 27 % longer than the release's, measured on two cores at 32 x 32 and 64 x 64 (docs/experiments.md).
Published none; not measured at this size.

All clips share one learned basis of Fourier features and coarse learned constants, and w modulates gently at first, so a
layout is learnt once instead of for each clip. Content and motion move half of the waves as a whole, before the other half
at rest. Motion is an aperiodic code that is trained at times beyond the clip. Critics compare real and generated pairs of
equal Δt, with R1 and R2 that ease tenfold over the first 40 kimg, and without augmentation: shifts and colours of its own hide those that are to be learnt. Turn it
on (--config.train.augment="('translation',)") where FVD against held-out clips rises.
"""

from configs import base

CHANGES = {
    "model.basis": "phased",
    "model.places": 1,
    "model.constants": 8,
    "model.modulation_gain": 0.3,
    "model.motion": "octaves",
    "train.horizon": 2.0,
    "train.loss": "relativistic",
    "train.r1_gamma": 5.0,
    "train.r2_gamma": 5.0,
    "train.gamma_end": 0.1,
    "train.gamma_by_kimg": 40.0,
    "train.augment": (),
}


def turned_on(c):
    """The configuration with all CHANGES."""
    c.update_from_flattened_dict(CHANGES)
    return c


def get_config():
    return turned_on(base.get_config())
