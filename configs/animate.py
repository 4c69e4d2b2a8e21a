"""A still to a clip that begins with it, 64 x 64: the first frame is shown, the motion is drawn.

Data      digan prepare my_videos/ --name mine --size 64 --frames 16
Command   digan train --config animate --config.data.name=mine --workdir runs/animate
          digan animate still.png --run runs/animate --out clip.mp4
Hardware  one GPU; a laptop with --config.model.resolution=32 and clips of that size.
Cost      200 kimg (thousands of frame pairs): 200 x the seconds per kimg in the training log.
Published none.
"""

from configs import digan2, upscale


def get_config():
    c = upscale.of_task("animate", resolution=64)
    c.model.condition_skip, c.model.motion = True, "octaves"
    c.data.source, c.data.name, c.data.frames = "tfds", "mine", 16
    c.task.adversarial, c.task.l1 = 1.0, 1.0
    of_training = {name: value for name, value in digan2.CHANGES.items() if name.startswith("train.")}
    c.update_from_flattened_dict(of_training)
    c.train.horizon, c.train.total_kimg, c.train.adam_beta1 = 0.0, 200.0, 0.0
    return c
