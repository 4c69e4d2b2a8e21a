"""VIDM on Sky time-lapse, 128 x 128, clips of 16 frames: beside sky_128 (DIGAN) on the same data.

Data      as sky_128: `digan prepare` of the official folder to 128, named sky.
Command   digan train --config vidm_sky_128 --workdir runs/vidm_sky
Hardware  one accelerator of 80 GB; activations in bfloat16.
Cost      not measured.
Published none on this data. The architecture is the paper's, 324 million parameters in two networks.

N is 16, as long as the clips that DIGAN is compared on; the paper's is 128.
"""

from configs import vidm


def get_config():
    c = vidm.get_config()
    c.compute_dtype = "bfloat16"
    c.data.name = "sky"
    c.data.frames = c.model.frames = 16
    c.log.sample_clips = 4
    return c
