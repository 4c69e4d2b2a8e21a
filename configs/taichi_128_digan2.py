"""As taichi_128, with what beats the release on two cores (configs/digan2.py; docs/experiments.md).

Data      as taichi_128.
Command   digan train --config taichi_128_digan2 --workdir runs/taichi_128_digan2
Hardware  as taichi_128; docs/training.md has batch sizes for single GPUs.
Cost      a kimg takes 12 to 27 % longer than the release's, measured on two cores at 32 x 32 and 64 x 64 (docs/experiments.md).
Published none; not measured at this size.
"""

from configs import digan2, taichi_128


def get_config():
    c = digan2.turned_on(taichi_128.get_config())
    c.train.gamma_by_kimg = 5000.0  # a fifth of the training, as R3GAN; not measured
    return c
