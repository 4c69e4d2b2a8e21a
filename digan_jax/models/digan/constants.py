"""Constants of the networks that every published model shares and no configuration changes.

They are as the authors' release has them; its checkpoints say some of them, which `interop.snapshot` checks.
"""

import numpy as np

EPSILON = 1e-8  # in every normalisation: of vectors, of modulated weights, of the minibatch deviation
LEAKY_SLOPE = 0.2  # of the leaky ReLU, which is multiplied by sqrt(2) (Karras et al. 2020)
MAPPING_LR = 0.01  # learning rate of mapping layers, relative to the others' (Karras et al. 2019)

# Generator
FREQUENCY_SCALE = float(np.sqrt(10))  # of the frequencies that the content gives; radians over half a frame
MOTION_SCALE = 0.25  # of time in the phases
MOTION_SLOPE = 0.01  # of the leaky ReLU in the phases, which has no gain
EXTRA_LAYERS = (128, 256)  # blocks with one more layer

# Critics
MOTION_CHANNELS = 7  # two frames of three colours and the time between them
LABEL_LAYERS = 8  # of the class embedding
