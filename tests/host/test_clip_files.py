"""Files of compressed clips: the way there and back, and every kind of damage."""

import numpy as np
import pytest

from digan_jax.errors import InputError
from digan_jax.host import clip_files
from digan_jax.host.clip_files import ClipFile

CODED = np.random.default_rng(0).bytes(300)
CLIP = ClipFile(12, 40, 60, 25.0, 8, ((1, 5, 7), (2, 3, 4)), tuple((np.arange(8) / 8 + 1).tolist()), CODED)


def test_what_was_written_is_read(tmp_path):
    count = clip_files.write(tmp_path / "a.dnv", CLIP)
    assert clip_files.read(tmp_path / "a.dnv") == CLIP
    assert count == (tmp_path / "a.dnv").stat().st_size == 300 + 50


def test_a_damaged_byte_anywhere_is_noticed(tmp_path):
    content, file = clip_files.pack(CLIP), tmp_path / "a.dnv"
    for place in range(len(content)):
        file.write_bytes(content[:place] + bytes([content[place] ^ 1]) + content[place + 1 :])
        with pytest.raises(InputError, match="a.dnv: (is damaged|is no clip|was written by a newer|has a format that)"):
            clip_files.read(file)


def test_files_of_other_kinds_are_named(tmp_path):
    file, content = tmp_path / "a.dnv", clip_files.pack(CLIP)
    for bad, message in (
        (b"", "is no clip of `digan compress`"),
        (b"\x89PNG" + content, "is no clip of `digan compress`"),
        (b"DNV9" + content[4:], "was written by a newer digan-jax; install the newest"),
        (b"DNV1" + content[4:], "has a format that is no longer read; compress the video again"),
        (content[:-7], "is damaged .its checksum differs.; get it again"),
        (content[:20], "is damaged"),
        (content + b"more", "is damaged"),
    ):
        file.write_bytes(bad)
        with pytest.raises(InputError, match=f"a.dnv: {message}"):
            clip_files.read(file)
    with pytest.raises(InputError, match="none.dnv: there is no such file"):
        clip_files.read(tmp_path / "none.dnv")
