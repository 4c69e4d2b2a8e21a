"""Little videos made on the spot, so that no media lie in the repository."""

from fractions import Fraction

import av
import numpy as np
import pytest


def scene(n_frames: int, height: int = 24, width: int = 32, seed: int = 0) -> np.ndarray:
    """uint8 [t h w 3]: a bright square that wanders over a smooth gradient, in colours of its own."""
    draw = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    ground = np.stack([x * 200 / width, y * 200 / height, np.full(x.shape, draw.integers(40, 160))], -1)
    frames = np.repeat(ground[None], n_frames, 0)
    colour, start = draw.integers(150, 255, 3), draw.integers(0, min(height, width) // 2)
    for t, frame in enumerate(frames):
        at = (start + t) % (min(height, width) - 8)
        frame[at : at + 8, at : at + 8] = colour
    return frames.astype(np.uint8)


def write(path, frames, codec: str = "ffv1", pix_fmt: str = "bgr0", fps=Fraction(10), rotation: int = 0, aspect=None):
    """A video of these frames; the defaults lose nothing."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=fps)
        stream.height, stream.width, stream.pix_fmt = *frames.shape[1:3], pix_fmt
        if aspect:
            stream.codec_context.sample_aspect_ratio = aspect
        if rotation:
            stream.set_display_rotation(rotation)
        for frame in frames:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    return path


@pytest.fixture(name="scene", scope="session")
def scene_fixture():
    return scene


@pytest.fixture(name="write_clip", scope="session")
def write_fixture():
    return write


@pytest.fixture
def two_classes(tmp_path):
    """A source folder: classes a (2 videos) and b (1 video), 24 x 24 so that size 24 stores the frames unchanged."""
    root = tmp_path / "videos"
    for number, name in enumerate(["a/one.mkv", "a/two.mkv", "b/three.mkv"]):
        write(root / name, scene(20 + number, 24, 24, seed=number))
    return root
