"""Pictures and clips as a page shows them."""

from __future__ import annotations

import base64
import io

import numpy as np
from jaxtyping import UInt8
from PIL import Image


def as_url(picture: UInt8[np.ndarray, "h w 3"]) -> str:
    """A picture as a data: URL of PNG, so that no file is written for it."""
    written = io.BytesIO()
    Image.fromarray(picture).save(written, "png", compress_level=1)
    return "data:image/png;base64," + base64.b64encode(written.getvalue()).decode()
