"""Values of controls as requests: what is named is asked for, what is impossible is told in words."""

import pytest

from digan_jax.errors import InputError
from digan_jax.studio import controls, explore
from digan_jax.studio.limits import Limits

CLIP = {
    "content": 3, "motion": 7, "truncation": 0.8, "label": controls.RANDOM, "width": 64, "height": 48, "mode": "auto",
    "x0": -1, "y0": -1, "x1": 1, "y1": 1,
}  # fmt: skip
FILM = CLIP | {"film": controls.CLIP, "frames": 12, "fps": 24, "first": 0, "last": 2}
KEPT = [{"content": 3, "motion": 3, "src": ""}, {"content": 5, "motion": 9, "src": ""}]


def film(**changes):
    return controls.of_film(FILM | changes, "runs/a", 8, "d.npz", "clip.mp4", Limits(side=64, frames=20, clips=9))


def test_a_clip_is_what_the_controls_say():
    r = controls.of_clip(CLIP | {"label": "sky", "x0": -2, "edit_1": 1.5, "edit_m0": -2}, "runs/a", 8, "d.npz")
    assert (r.run, r.step, r.ids, r.motion_ids, r.truncation, r.label) == ("runs/a", 8, (3,), (7,), 0.8, ("sky",))
    assert (r.size, r.region, r.mode) == ((64, 48), (-2, -1, 1, 1), None)
    assert (r.edit, r.directions) == ((("1", 1.5), ("m0", -2.0)), "d.npz")
    plain = controls.of_clip(CLIP, "runs/a", None, "d.npz")
    assert (plain.label, plain.region, plain.edit, plain.directions) == (None, None, None, None)


def test_films_are_what_the_controls_say():
    r = film()
    assert (r.frames, r.fps, r.span, r.walk, r.cross, r.out) == (12, 24, (0, 2), None, False, "clip.mp4")
    r = film(film=controls.CROSS, contents=2, motions=3, width=32)
    assert (r.cross, r.ids, r.motion_ids) == (True, (3, 4), (7, 8, 9))
    walked = {of: film(film=controls.WALK, kept=KEPT, walk_of=of, seconds=0.5) for of in ("both", "content", "motion")}
    assert (walked["both"].walk, walked["both"].motion_ids) == ((3, 5), (3, 9))
    assert (walked["content"].walk, walked["content"].motion_ids) == ((3, 5), (7,))
    assert (walked["motion"].walk, walked["motion"].ids, walked["motion"].motion_ids) == ((3, 9), (3,), None)
    assert walked["both"].walk_frames == 13


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"content": None}, "content: give a number"),
        ({"content": -1}, "ids are whole numbers"),
        ({"content": 1.5}, "content: 1.5 is no whole number"),
        ({"width": float("nan")}, "width: give a number"),
        ({"width": "../../etc"}, "width: give a number"),
        ({"x0": 2}, "needs x0 < x1"),
        ({"fps": 0}, "fps=0: must be a number above 0"),
        ({"width": 65}, "65x48 pixels: this studio draws frames of at most 64 .* --max-side"),
        ({"frames": 21}, "21 frames: this studio draws at most 20; .* --max-frames"),
        ({"film": controls.WALK, "kept": KEPT[:1]}, "a walk needs two kept clips or more"),
        ({"film": controls.WALK, "kept": ["x", "y"]}, "kept clips: the list does not parse"),
        ({"film": controls.WALK, "kept": KEPT, "walk_of": "both", "seconds": 1}, "25 frames"),
        ({"film": controls.CROSS, "contents": 4, "motions": 3}, "12 clips: this studio draws at most 9"),
        ({"film": controls.CROSS, "contents": 3, "motions": 3}, "a grid of 192x144 pixels: choose a smaller size"),
    ],
)
def test_what_cannot_be_is_told(changes, message):
    with pytest.raises(InputError, match=message):
        film(**changes)


def test_kept_clips_hold_nothing_else():
    """What a page sends comes back to it, and must not look like one of Gradio's files."""
    file = {"path": "/etc/passwd", "meta": {"_type": "gradio.FileData"}}
    clip = {"content": 3, "motion": 4, "src": "data:"}
    assert explore.known_clips([clip | file, "x", clip | {"src": file}])[0] == clip
    assert isinstance(explore.known_clips([clip | {"src": file}])[0]["src"], str)
    assert explore.known_clips(None) == explore.known_clips(file) == []


def test_a_drawn_box_is_a_part_of_the_region():
    assert controls.zoomed((-1, -1, 1, 1), [0.5, 0.0, 1.0, 0.25]) == (0, 0.5, 1, 1)  # y of the box runs down
    assert controls.zoomed((0, 0.5, 1, 1), [0, 0, 1, 1]) == (0, 0.5, 1, 1)
    with pytest.raises(InputError, match="draw it again"):
        controls.zoomed((-1, -1, 1, 1), ["a"] * 4)
