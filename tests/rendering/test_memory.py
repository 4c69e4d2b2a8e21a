"""Memory does not depend on the length of a clip; in a process of its own, whose peak is its own."""

import os
import subprocess
import sys

import pytest

SCRIPT = """
import resource, sys
from digan_jax import cli
peaks = []
for frames in (180, 720):
    words = ["--run", sys.argv[1], "--out", sys.argv[2], "--frames", str(frames), "--size", "256x256"]
    assert cli.main(["render", *words]) == 0
    peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)
print(*peaks)
"""


@pytest.mark.slow
def test_a_long_clip_takes_no_more_than_a_short_one(tiny_run, tmp_path):
    words = [sys.executable, "-c", SCRIPT, str(tiny_run), str(tmp_path / "clip.mp4")]
    one_device = os.environ | {"XLA_FLAGS": ""}
    done = subprocess.run(words, capture_output=True, text=True, check=True, env=one_device)
    short, long = map(float, done.stdout.splitlines()[-1].split())
    # Held whole, the 540 frames more would take 425 MB as float32; in pieces of 60 only the allocator's slack does.
    assert long - short < 100
