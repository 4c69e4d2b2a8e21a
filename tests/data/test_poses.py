"""Keypoints of OpenPose and COCO, written by us as their documentation says, and the maps drawn of them."""

import json

import numpy as np
import pytest

from digan_jax.data import figures, poses
from digan_jax.errors import InputError

SIZE = 64


def keypoints(person, count):
    """[x, y, confidence] of each point in the order of a format; points that a figure does not have get 0."""
    names = poses.POINTS[count]
    rows = [(*person[name], 0.9) if name in person else (0, 0, 0) for name in names]
    return np.array(rows + [(0, 0, 0)] * (count - len(rows)), float).ravel().tolist()


@pytest.mark.parametrize("count", [17, 18, 25])
def test_all_formats_draw_the_figure_that_they_were_made_of(tmp_path, count):
    person = figures.person(3, 0.2, SIZE)
    twin = poses.drawn([person], SIZE, SIZE)
    (tmp_path / "p").mkdir()
    for i in range(2):
        people = [{"pose_keypoints_2d": keypoints(person, count)}] if i else []
        (tmp_path / "p" / f"{i}_keypoints.json").write_text(json.dumps({"people": people}))
    first, second = poses.read(tmp_path / "p").frames
    assert first == [] and len(second) == 1
    drawn = poses.drawn(second, SIZE, SIZE)
    # Where a format lacks neck and hip they are means of shoulders and of hips: an eighth of the trunk's pixels differ.
    assert (drawn != twin).mean() < (0.01 if count == 17 else 0.001 if count == 25 else 0.01)
    assert set(np.unique(drawn)) >= {0, 1, 2}


def test_coco_knows_the_size_and_the_order_of_frames(tmp_path):
    rows = [{"image_id": i, "keypoints": keypoints(figures.person(3, t, SIZE), 17)} for i, t in ((8, 0.5), (3, 0.0))]
    images = [{"id": i, "width": SIZE, "height": SIZE} for i in (8, 5, 3)]
    (tmp_path / "a.json").write_text(json.dumps({"images": images, "annotations": rows}))
    found = poses.read(tmp_path / "a.json")
    assert found.size == (SIZE, SIZE) and [len(people) for people in found.frames] == [1, 0, 1]
    np.testing.assert_allclose(found.frames[0][0]["nose"], figures.person(3, 0.0, SIZE)["nose"])
    (tmp_path / "b.json").write_text(json.dumps(rows))
    assert poses.read(tmp_path / "b.json").size is None


def test_files_that_hold_no_poses(tmp_path):
    file = tmp_path / "a.json"
    for content, message in (
        ({"people": []}, "has no people in 1 frames, so there is nothing to draw"),
        ({"people": [{"pose_keypoints_2d": [1, 2, 0.5]}]}, "a person of 1 keypoints; .17, 18, 25. are known"),
        ({"people": [{}]}, "is no file of OpenPose"),
        ({"something": 1}, "is no file of keypoints, neither of COCO nor of OpenPose"),
    ):
        file.write_text(json.dumps(content))
        with pytest.raises(InputError, match=f"a.json: {message}"):
            poses.read(file)


def test_figures_move_and_their_frames_cover_their_labels():
    times = np.linspace(0, 1, 4)
    frames, labels = figures.render(5, times, 32), figures.labels(5, times, 32)
    ground = frames[0, 0, 0]
    body = (frames != ground).any(-1)
    assert body[labels > 0].mean() > 0.98 and (labels[0] != labels[2]).any() and 0.05 < (labels > 0).mean() < 0.3
    np.testing.assert_array_equal(figures.labels(5, times[2:3], 32)[0], labels[2])


def test_between_two_frames_people_are_on_their_way():
    """Matched with the nearest, whatever their order; who is in one frame alone is there in the nearer half."""
    person = lambda x, **more: {"neck": np.array([x, 0.0]), "hip": np.array([x, 10.0])} | more
    nose = np.array([0.0, -5.0])
    frames = [[person(0.0, nose=nose), person(50.0)], [person(54.0), person(4.0), person(500.0)]]
    early, late = poses.at(frames, 0.25), poses.at(frames, 0.75)
    assert [p["neck"][0] for p in early] == [1, 51] and "nose" in early[0]
    assert [p["neck"][0] for p in late] == [3, 53, 500] and "nose" not in late[0]
    assert poses.at(frames, 1.0) is frames[1]
    assert poses.at([[], [person(1.0)]], 0.6)[0]["neck"][0] == 1 and not poses.at([[], [person(1.0)]], 0.4)
