"""`digan directions`: the directions of a model as a file, and a contact sheet of what they do."""

from __future__ import annotations

import dataclasses
import math
from typing import Literal

import numpy as np
from etils import epath
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw, ImageFont

from digan_jax.errors import InputError
from digan_jax.host import files
from digan_jax.interop import opening
from digan_jax.jobs.requests import Request
from digan_jax.rendering import tiles
from digan_jax.rendering.contact_sheets import strips
from digan_jax.rendering.directions import Directions
from digan_jax.rendering.model import Model
from digan_jax.shapes import Latents

CELLS = 7  # edits of a row of the sheet
SMALLEST, LARGEST = 64, 128  # pixels a side of a cell
MARGIN, HEADER, GAP = 84, 20, 4  # pixels beside, above and between


@dataclasses.dataclass(frozen=True)
class DirectionsRequest(Request):
    """The directions of a model, to be found and drawn.

    Raises:
      InputError: an invalid value.
    """

    run: str  # a path for `digan.load`
    out: str  # .npz
    step: int | Literal["best"] | None = None  # checkpoint of a run; None: the newest
    count: int = 8  # directions of each kind
    samples: int = 4096  # ids whose vectors are looked at; a quarter of them are drawn
    label: int | str | None = None  # class of all of them; None: random by id
    seed: int = 0  # root of the noise
    id: int = 0  # of the clip on the contact sheet
    reach: float = 4.0  # largest edit on the sheet, in standard deviations

    def check(self) -> None:
        if not self.out.endswith(".npz"):
            raise InputError(f"out={self.out}: directions are arrays; give a name that ends in .npz.")
        if self.count < 1:
            raise InputError(f"count={self.count}: give 1 or more.")
        if not 0 < self.reach < math.inf:
            raise InputError(f"reach={self.reach}: must be a number above 0.")
        if not 0 <= self.id < 2**31:
            raise InputError(f"id={self.id}: must lie in [0, 2**31).")


def run(request: DirectionsRequest) -> list[epath.Path]:
    """Writes the file and its contact sheet, the .png beside it; returns both.

    Raises:
      InputError: no such model, one without directions, or values that it cannot have; nothing is written.
    """
    out = epath.Path(request.out)
    sheet = out.with_suffix(".png")
    for file in (out, sheet):
        files.check_file(file)
    model = opening.load(request.run, request.step)
    found = model.directions(request.count, request.samples, request.label, request.seed)
    lat = model.latents([request.id], label=request.label, seed=request.seed)
    picture = contact_sheet(model, found, lat, request.reach)
    found.save(out)
    with files.moved_in(sheet) as unfinished:
        picture.save(unfinished)
    return [out, sheet]


def contact_sheet(model: Model, found: Directions, lat: Latents, reach: float) -> Image.Image:
    """A row for each direction: the clip of `lat` edited by -reach to +reach, content at t = 0 and motion at t = 1."""
    amounts = np.linspace(-reach, reach, CELLS)
    side = min(max(model.config.resolution, SMALLEST), LARGEST)
    blocks = []
    for kind, share, time in (("", found.content_share, 0.0), ("m", found.motion_share, 1.0)):
        names = [f"{kind}{i}" for i in range(len(share))]
        rows = [found.edited(lat, [(name, amount)]) for name in names for amount in amounts]
        rows = Latents(*(np.concatenate(parts) for parts in zip(*rows)))
        cells = model.generate(rows, [time], tiles.grid(side, side))
        title = f"{'motion' if kind else 'content'}, t = {time:g}"
        labels = [f"{name}: {100 * part:.1f} %" for name, part in zip(names, share)]
        blocks.append(_block(cells.reshape(len(names), CELLS, side, side, 3), title, labels, amounts))
    return Image.fromarray(np.concatenate(blocks))


def _block(
    cells: Float[np.ndarray, "n k h w 3"], title: str, labels: list[str], amounts: Float[np.ndarray, "k"]
) -> UInt8[np.ndarray, "_ _ 3"]:
    """Rows of cells on white, with a title, an amount above each column and a label beside each row."""
    n, k, h, w, _ = cells.shape
    spaced = np.ones((n, k, h + GAP, w + GAP, 3), np.float32)
    spaced[:, :, :h, :w] = cells
    picture = Image.new("RGB", (MARGIN + k * (w + GAP), HEADER + n * (h + GAP)), "white")
    picture.paste(Image.fromarray(strips(spaced)), (MARGIN, HEADER))
    draw, font = ImageDraw.Draw(picture), ImageFont.load_default(12)
    draw.text((4, 3), title, "black", font)
    for column, amount in enumerate(amounts):
        text = f"{amount:+.3g}" if amount else "0"
        draw.text((MARGIN + column * (w + GAP) + w / 2, 3), text, "black", font, anchor="ma")
    for row, label in enumerate(labels):
        draw.text((4, HEADER + row * (h + GAP) + h / 2), label, "black", font, anchor="lm")
    return np.asarray(picture)
