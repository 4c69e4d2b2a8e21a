"""The preference study: its page in a browser with simulated raters, and what the answers say."""

import json
import math
import re
import time

import numpy as np
import pytest

from digan_jax import cli
from digan_jax.errors import InputError
from digan_jax.evaluation import study
from digan_jax.jobs import study_page

PAIRS = 20


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    """Folder of a study of two folders of clips."""
    root = tmp_path_factory.mktemp("study")
    for name, level in (("ours_17", 200), ("theirs_23", 60)):
        (root / name).mkdir()
        clips = level + np.random.default_rng(level).integers(0, 50, (PAIRS, 16, 16, 16, 3))
        np.savez(root / name / "clips.npz", clips.astype(np.uint8))
    words = ["study", "make", str(root / "ours_17"), str(root / "theirs_23"), "--pairs", str(PAIRS), "--out", str(root / "out")]
    assert cli.main(words) == 0
    return root / "out"


def data_of(page):
    return json.loads(re.search(r'type="application/json">(.*?)</script>', (page / "study.html").read_text())[1])


def answers_file(folder, rater, chosen, study_id="s", left=None):
    rows = [{"pair": i, "left": (left or "ab"[i % 2]), "chosen": c, "seconds": 1.0} for i, c in enumerate(chosen)]
    path = folder / f"answers_{rater}.json"
    path.write_text(json.dumps({"format": 1, "study": study_id, "rater": rater, "answers": rows}))
    return str(path)


# ---- the page ----


def test_the_page_is_whole_and_does_not_say_who_is_who(page):
    text, data = (page / "study.html").read_text(), data_of(page)
    assert len(data["pairs"]) == PAIRS and len({c for pair in data["pairs"] for c in pair.values()}) == 2 * PAIRS
    assert not re.search(r"(src|href)=[\"']?https?:|@import|url\(", text)
    assert "ours_17" not in text and "theirs_23" not in text
    key = json.loads((page / "study.json").read_text())
    assert key["a"]["name"].endswith("ours_17") and key["study"] == data["id"]


def rate(browser, page, likes_a: float, keyboard: bool, seed: int) -> str:
    """One rater, who prefers A with a probability; returns the file that the page saved."""
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    driver, downloads = browser
    before, random = set(downloads.glob("*.json")), np.random.default_rng(seed)
    of_a = {pair["a"][-200:] for pair in data_of(page)["pairs"]}  # the ends of the data name the clips
    driver.get((page / "study.html").as_uri())
    body = driver.find_element(By.TAG_NAME, "body")
    for _ in range(PAIRS):
        ending = driver.execute_script("return document.querySelector('#left video').src.slice(-200)")
        want_left = (ending in of_a) == (random.random() < likes_a)
        if keyboard:
            body.send_keys(Keys.ARROW_LEFT if want_left else Keys.ARROW_RIGHT)
        else:
            driver.find_element(By.ID, "left" if want_left else "right").click()
    driver.find_element(By.ID, "save").click()
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        if new := set(downloads.glob("*.json")) - before:
            return str(new.pop())
        time.sleep(0.05)
    pytest.fail("no answers were saved")


def test_raters_of_known_bias(browser, page, tmp_path, capsys):
    """By keyboard and by mouse, from a file. Three raters who take A four times in five; 48 of 60 are expected."""
    files = [rate(browser, page, 0.8, keyboard=bool(seed % 2), seed=seed) for seed in range(3)]
    found = study.report(files, str(page / "study.json"))
    expected = [np.mean(np.random.default_rng(seed).random(PAIRS) < 0.8) for seed in range(3)]
    np.testing.assert_allclose(sorted(found["by_rater"].values()), sorted(expected))
    assert found["interval"][0] < 0.8 < found["interval"][1] and found["p_value"] < 0.01
    assert 0.2 < found["left"] < 0.8  # sides are drawn: 3.5 standard deviations around one half
    rows = [json.loads(open(file).read())["answers"] for file in files]
    assert all(sorted(a["pair"] for a in answers) == list(range(PAIRS)) for answers in rows)
    assert len({tuple((a["pair"], a["left"]) for a in answers) for answers in rows}) == 3
    assert cli.main(["study", "report", *files, "--key", str(page / "study.json")]) == 0
    assert "ours_17 was preferred to" in capsys.readouterr().out


def test_the_clips_play_and_answers_can_be_taken_back(browser, page):
    from selenium.webdriver.common.by import By
    from selenium.webdriver.common.keys import Keys

    driver, _ = browser
    driver.get((page / "study.html").as_uri())
    playing = "const v = document.querySelector('#right video'); return v.videoWidth > 0 && v.currentTime > 0"
    deadline = time.monotonic() + 30
    while not driver.execute_script(playing) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert driver.execute_script(playing) and driver.execute_script("return document.querySelector('video').loop")
    body, told = driver.find_element(By.TAG_NAME, "body"), lambda: driver.find_element(By.ID, "progress").text
    source = driver.execute_script("return document.querySelector('#left video').src")
    body.send_keys(Keys.ARROW_LEFT)
    assert told() == f"2 of {PAIRS}"
    body.send_keys(Keys.BACKSPACE)
    assert told() == f"1 of {PAIRS}"
    assert driver.execute_script("return document.querySelector('#left video').src") == source
    assert not driver.find_element(By.ID, "done").is_displayed()


# ---- answers ----


@pytest.mark.parametrize("wins, n", [(48, 60), (0, 7), (50, 100), (7, 7)])
def test_interval_and_probability_are_their_definitions(tmp_path, wins, n):
    found = study.report([answers_file(tmp_path, "x", "a" * wins + "b" * (n - wins))])
    p, z = wins / n, 1.959963984540054  # Wilson 1927: where |p - q| = z sqrt(q (1 - q) / n)
    for q, edge in zip(found["interval"], (0, 1)):
        np.testing.assert_allclose(abs(p - q), z * np.sqrt(q * (1 - q) / n), atol=1e-9)
        assert q == pytest.approx(edge) if p == edge else (q - p) * (edge - p) > 0
    tail = sum(math.comb(n, k) for k in range(max(wins, n - wins), n + 1)) / 2**n
    np.testing.assert_allclose(found["p_value"], min(1, 2 * tail), rtol=1e-9)


def test_raters_who_disagree_widen_the_interval(tmp_path):
    agree = [answers_file(tmp_path, f"x{i}", "aaab" * 10) for i in range(6)]
    differ = [answers_file(tmp_path, f"y{i}", ("a" if i % 2 else "aabb") * (40 if i % 2 else 10)) for i in range(6)]
    width = lambda files: np.diff(study.report(files)["interval_over_raters"])[0]
    assert width(agree) == 0 < 0.1 < width(differ)
    alone = study.report(agree[:1])
    assert alone["interval_over_raters"] is None and alone["win_rate"] == 0.75


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda f: [answers_file(f, "x", "ab"), answers_file(f, "y", "ab", study_id="t")], "another study"),
        (lambda f: [answers_file(f, "x", "ab")] * 2, "rater x has two files"),
        (lambda f: [answers_file(f, "x", "ac")], "holds no answers"),
        (lambda f: [answers_file(f, "x", "")], "holds no answers"),
        (lambda f: [str(f / "none.json")], "cannot be read"),
    ],
)
def test_bad_answers(tmp_path, make, message):
    with pytest.raises(InputError, match=message):
        study.report(make(tmp_path))


def test_a_study_in_a_bucket(page, bucket, tmp_path):
    folder = str(page.parent / "ours_17")
    key = study_page.make(folder, folder, 2, str(bucket / "study"))
    assert (bucket / "study" / "study.html").read_text().startswith("<!doctype html>")
    answers = bucket / "answers_x.json"
    answers.write_text(open(answers_file(tmp_path, "x", "ab", key["study"])).read())
    found = study.report([str(answers)], str(bucket / "study" / "study.json"))
    assert found["win_rate"] == 0.5 and found["names"]["a"] == folder


def test_bad_studies(page, tmp_path):
    folder = str(page.parent / "ours_17")
    with pytest.raises(InputError, match="holds 20 clips for 21 pairs"):
        study_page.make(folder, folder, 21, str(tmp_path))
    with pytest.raises(InputError, match="--pairs 0"):
        study_page.make(folder, folder, 0, str(tmp_path))
    with pytest.raises(InputError, match="belongs to another study"):
        study.report([answers_file(tmp_path, "x", "ab")], str(page / "study.json"))
