"""Constants that all published models share and no configuration changes.

The values are those of the authors' release. Its checkpoints record some of them; `interop.snapshot` checks those.
"""

import numpy as np

EPSILON = 1e-8  # in every normalisation: vectors, modulated weights, minibatch standard deviation
LEAKY_SLOPE = 0.2  # slope of the leaky ReLU, whose gain is sqrt(2) (Karras et al. 2020)
MAPPING_LR = 0.01  # learning rate multiplier of mapping layers (Karras et al. 2019)

# Generator
FREQUENCY_SCALE = float(np.sqrt(10))  # scale of the spatial frequencies; in radians per half frame
SHIFT_INIT = 0.5  # initial deviation of w's phase shifts, in radians, for the basis "phased"
PLACE_INIT = 0.2  # initial deviation of the places of groups of waves, in half frames
PLACE_WIDTH = 64  # of their motion code
MOTION_SCALE = 0.25  # scale of time in the phases
MOTION_SLOPE = 0.01  # slope of the leaky ReLU in the phases, which has no gain
OCTAVES = 4  # time scales of the motion code "octaves"
SHORTEST = 0.25  # its shortest distance between knots, in clips
OCTAVE_WIDTH = 16  # numbers of each time scale
EXTRA_LAYERS = (128, 256)  # resolutions of the blocks with an extra layer

# Critics
MOTION_CHANNELS = 7  # two RGB frames and Δt
LABEL_LAYERS = 8  # mapping layers of the class embedding
