"""As sky_128, with what beats the release on two cores (configs/digan2.py; docs/experiments.md).

Data      as sky_128.
Command   digan train --config sky_128_digan2 --workdir runs/sky_128_digan2
Hardware  as sky_128; docs/training.md has batch sizes for single GPUs.
Cost      per kimg about a fifth more than that of the release (docs/experiments.md), by two cores at 32 x 32.
Published none; not measured at this size.
"""

from configs import digan2, sky_128


def get_config():
    return digan2.turned_on(sky_128.get_config())
