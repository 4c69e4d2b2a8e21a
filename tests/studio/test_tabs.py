"""The tabs that make a film of what a client gives, in a real browser: what the controls say is what is asked for."""

import numpy as np
import pytest
from PIL import Image

from digan_jax.host.video_files import read_metadata, write_video
from digan_jax.studio.server import StudioRequest, serving
from digan_jax.studio.shelf import Shelf
from tests.studio.test_page import Page

RESTORING = ("interpolate", "complete", "denoise", "predict", "stylize")


def test_what_a_run_is_offered_for(tiny_vidm_run, tiny_run, upscaling_run):
    """A VIDM draws by id, and goes on from a picture."""
    shelf = Shelf([str(tiny_vidm_run), str(tiny_run), str(upscaling_run)])
    assert shelf.names() == [str(tiny_vidm_run), str(tiny_run)]
    assert shelf.names("animate") == [str(tiny_vidm_run)] and shelf.names("upscale") == [str(upscaling_run)]


def test_a_model_of_the_package_is_offered():
    shelf = Shelf(["digan://quickstart"])
    assert shelf.names() == ["digan://quickstart"] and shelf.training() == []
    assert shelf.steps("digan://quickstart") == ["newest"]


@pytest.fixture(scope="module")
def runs(tiny_vidm_run, task_run):
    """{task: run}; of translate a second one, which knows more labels."""
    one_model = {"model.condition_warp": True, "model.condition_reach": 0}  # nothing is drawn by these: made once
    found = {task: task_run(task, one_model) for task in RESTORING}
    found |= {task: task_run(task) for task in ("animate", "translate", "edges")}
    found["labels"] = task_run("translate", {"model.condition_planes": 6, "model.condition_style": 0})
    return {"none": str(tiny_vidm_run)} | found


@pytest.fixture(scope="module")
def page(browser, runs):
    with serving(StudioRequest(runs=tuple(runs.values()), port=0)) as address:
        yield Page(*browser, address)


@pytest.fixture(scope="module")
def sent(tmp_path_factory):
    """A video and a picture, of a size of which nothing else is."""
    folder = tmp_path_factory.mktemp("sent")
    frames = np.random.default_rng(0).integers(0, 256, (5, 24, 32, 3)).astype(np.uint8)
    write_video(folder / "clip.mp4", frames, 8)
    Image.fromarray(frames[0]).save(folder / "still.png")
    return folder


def made(page, tab):
    """Presses the tab's button; the note in the file that the browser saved, and that file."""
    page.driver.execute_script(f"document.querySelector('#{tab}_message p').textContent = ''")
    page.click(f"{tab}_draw")
    page.until(lambda: "made." in page.text(f"{tab}_message"), tab)
    file = page.saved(f"{tab}_film")
    return read_metadata(file), file


@pytest.mark.slow
@pytest.mark.parametrize(
    "verb, method, set_up, asked, frames",
    [
        ("interpolate", "blend", {"factor": 3}, {"factor": 3, "slow": True}, 13),
        ("complete", "blend", {"missing": "1-2"}, {"missing": [1, 2]}, 5),
        ("denoise", "mean", {"sigma": 7}, {"sigma": 7}, 5),
        ("predict", "last", {"frames": 3}, {"frames": 3, "past": False}, 3),
        ("stylize", "", {"degree": 0.5}, {"degree": [0.5], "preview": True}, 1),
    ],
)
def test_a_video_is_given_and_a_video_comes_back(page, sent, runs, verb, method, set_up, asked, frames):
    """By the methods that need no model, where there are any; those of models are held against these in tests/jobs."""
    page.open(verb.capitalize())
    page.until(lambda: page.one(f"#{verb}_draw").is_displayed())
    page.click(f"{verb}_draw")
    page.until(lambda: "choose a file first" in page.text(f"{verb}_message"))
    page.one(f"#{verb}_video input").send_keys(str(sent / "clip.mp4"))
    page.until(lambda: "clip.mp4 is there" in page.text(f"{verb}_video"))
    for name, value in set_up.items():
        page.type(f"{verb}_{name}", value) if isinstance(value, str) else page.set(f"{verb}_{name}", value)
    for name, value in asked.items():
        if isinstance(value, bool):
            page.one(f"#{verb}_{name} input[type=checkbox]").click()
    if method:
        page.choose(f"{verb}_method", method)
    note, _ = made(page, verb)
    how = {"method": method, "run": None} if method else {"method": "model", "run": runs[verb]}
    assert note[verb] | asked | how == note[verb]
    playing = f"const v = document.querySelector('#{verb}_film video'); return [v.videoWidth, v.videoHeight]"
    page.until(lambda: page.driver.execute_script(playing) == [32, 24], "a video that plays")
    command = page.one(f"#{verb}_command code").text
    assert command.startswith(f"digan {verb} clip.mp4 --out {verb}.mp4")
    assert (f"--method {method}" if method else "--degree 0.5 --preview") in command
    page.choose(f"{verb}_format", "npz")
    assert len(np.load(made(page, verb)[1])["frames"]) == frames


@pytest.mark.slow
def test_a_picture_moves(page, sent, runs):
    page.open("Animate")
    page.until(lambda: page.one("#animate_draw").is_displayed())
    page.one("#animate_still input").send_keys(str(sent / "still.png"))
    page.until(lambda: "still.png is there" in page.text("animate_still"))
    page.choose("animate_format", "npz")
    page.set("animate_ids", 3)
    page.set("animate_frames", 2)
    for family, side in (("none", 16), ("animate", 32)):  # VIDM, and DIGAN after a condition
        page.choose("animate_run", runs[family])
        note, file = made(page, "animate")
        assert note["animate"] | {"run": runs[family], "ids": [3], "frames": 2} == note["animate"]
        assert np.load(file)["frames"].shape == (2, side, side, 3)


@pytest.mark.slow
def test_labels_are_drawn_and_translated(page, runs):
    from selenium.webdriver.common.action_chains import ActionChains

    page.open("Translate")
    page.until(lambda: page.one("#translate_labels canvas").is_displayed())
    labels = lambda: page.driver.execute_script("return document.querySelector('#translate_labels select').length")
    assert labels() == 4
    page.set("translate_style_id", 2)
    page.click("translate_draw")
    page.until(lambda: "no styles are fitted yet" in page.text("translate_message"))
    page.set("translate_style_id", 0)
    page.choose("translate_run", runs["labels"])
    page.until(lambda: labels() == 6, "the labels of another run")
    canvas = page.one("#translate_labels canvas")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(page.driver).click_and_hold(canvas).move_by_offset(60, 20).release().perform()
    page.choose("translate_format", "npz")
    note, file = made(page, "translate")
    assert note["translate"]["run"] == runs["labels"]
    assert np.load(file)["frames"].shape == (1, 32, 32, 3)
    assert "--out translate.npz --labels labels/" in page.one("#translate_command code").text


@pytest.mark.slow
def test_lines_are_drawn_and_followed(page, runs):
    from selenium.webdriver.common.action_chains import ActionChains

    page.open("Draw")
    page.until(lambda: page.one("#draw_edges canvas").is_displayed())
    canvas = page.one("#draw_edges canvas")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", canvas)
    ActionChains(page.driver).click_and_hold(canvas).move_by_offset(60, 20).release().perform()
    page.choose("draw_format", "npz")
    note, file = made(page, "draw")
    assert note["translate"]["run"] == runs["edges"] and np.load(file)["frames"].shape == (1, 32, 32, 3)


@pytest.mark.slow
def test_a_family_that_draws_frame_after_frame_is_explored(page):
    page.open("Explore")
    page.until(lambda: page.one("#draw").is_displayed())
    assert "draw the film" in page.caption() and page.text("message") == ""
    file = page.draw(format="npz", frames=2, last=0.143)  # the frame after the first one: each takes many steps
    assert np.load(file)["frames"].shape == (2, 16, 16, 3)  # as trained, without a word about the size


@pytest.mark.slow
def test_each_tab_has_names_for_screen_readers_and_fits_a_phone(page):
    phone = {"width": 375, "height": 812, "deviceScaleFactor": 2, "mobile": True}
    unnamed = """
        const named = e => e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
            || e.title || e.textContent.trim();
        return [...document.querySelectorAll('input, select, textarea, button, canvas')]
            .filter(e => e.offsetParent && !named(e)).map(e => e.outerHTML.slice(0, 200));
    """
    for tab in [one.text for one in page.driver.find_elements("css selector", "button[role=tab]") if one.text]:
        page.open(tab)
        try:
            page.driver.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", phone)
            wide = "return document.documentElement.scrollWidth"
            page.until(lambda: page.driver.execute_script(wide) <= 375, f"{tab} as wide as the phone")
            assert page.driver.execute_script(unnamed) == [], tab
        finally:
            page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
