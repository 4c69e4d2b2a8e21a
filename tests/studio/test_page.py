"""The page in a real browser: every control does what its label says."""

import json
import time
import urllib.parse

import numpy as np
import pytest
from PIL import Image

from digan_jax.host.video_files import read_metadata, write_video

SECONDS = 120  # that anything may take on a busy machine; nothing waits longer than it needs


class Page:
    """A page in the browser, by the ids of its parts."""

    def __init__(self, driver, downloads, address):
        self.driver, self.downloads, self.address = driver, downloads, address
        driver.get_log("browser")
        driver.get(address)
        self.until(lambda: self.source("left") or "frame after frame" in self.caption())

    def open(self, tab):
        """Opens a tab by its name; on a narrow page some stand in a menu."""
        self.driver.execute_script("window.scrollTo(0, 0)")
        found = lambda kind: [one for one in self.driver.find_elements("css selector", kind) if one.text.strip() == tab]
        if not found("button[role=tab]"):
            self.one(".overflow-menu > button").click()
        self.until(lambda: found("button[role=tab], .overflow-dropdown button"), tab)[0].click()

    def type(self, name, text):
        """Types into a line of text."""
        line = self.one(f"#{name} input, #{name} textarea")
        line.clear()
        line.send_keys(text)

    def until(self, condition, what="the page"):
        end = time.monotonic() + SECONDS
        while time.monotonic() < end:
            try:
                if found := condition():
                    return found
            except Exception as error:  # parts of the page are replaced while it is read
                if "selenium" not in type(error).__module__:
                    raise
            time.sleep(0.05)
        told = [part.text for part in self.driver.find_elements("css selector", ".status, .upload") if part.text]
        pytest.fail(f"{what}: not within {SECONDS} s; told: {told}")

    def one(self, selector):
        return self.driver.find_element("css selector", selector)

    def text(self, name):
        return self.one(f"#{name}").text

    def source(self, name):
        """The picture of a part."""
        return self.one(f"#{name} img").get_attribute("src")

    def caption(self):
        return self.text("left")

    def click(self, name):
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", self.one(f"#{name}"))
        self.one(f"#{name}").click()

    def set(self, name, value):
        """Types into a number, or moves a slider, as their events tell the page."""
        script = """
            const input = document.querySelector(`#${arguments[0]} input[type=number]`);
            const set = Object.getOwnPropertyDescriptor(HTMLInputElement.prototype, 'value').set;
            set.call(input, arguments[1]);
            input.dispatchEvent(new Event('input', {bubbles: true}));
            input.dispatchEvent(new Event('change', {bubbles: true}));
            input.dispatchEvent(new Event('blur', {bubbles: true}));
        """
        self.driver.execute_script(script, name, str(value))

    def choose(self, name, text):
        """An entry of a dropdown, or one of several radio buttons."""
        if radios := self.driver.find_elements("css selector", f"#{name} label"):
            for label in radios:
                if label.text.strip() == text and label.find_elements("css selector", "input[type=radio]"):
                    self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", label)
                    return label.click()
        from selenium.webdriver.common.keys import Keys

        box = self.one(f"#{name} input")
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", box)
        box.click()
        entries = lambda: self.driver.find_elements("css selector", "ul[role=listbox] li")
        options = lambda: [entry for entry in entries() if entry.text.removeprefix("✓").strip() == text]
        self.until(options, text)[0].click()
        box.send_keys(Keys.TAB)

    def changed(self, act, name="left"):
        """Acts, and waits for another picture."""
        before = self.source(name)
        act()
        return self.until(lambda: self.source(name) != before and self.source(name), "another picture")

    def said(self, words):
        return self.until(lambda: words in self.text("message"), words)

    def draw(self, **controls):
        """Draws a film with these values and returns the bytes of its file."""
        for name, value in controls.items():
            self.choose(name, value) if isinstance(value, str) else self.set(name, value)
        self.driver.execute_script("document.querySelector('#message p').textContent = ''")
        self.click("draw")
        self.said("drawn.")
        return self.saved("film_left")

    def saved(self, part):
        """Clicks the link of a film and returns the path of what the browser saved."""
        link = self.one(f"#{part} a")
        before = set(self.downloads.iterdir())
        self.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", link)
        link.click()  # by hand: Chromium refuses several downloads by scripts
        new = lambda: [
            p for p in set(self.downloads.iterdir()) - before if p.suffix != ".crdownload" and p.name[0] != "."
        ]
        return self.until(new, "a download")[0]


@pytest.fixture(scope="module")
def page(browser, served):
    return Page(*browser, served)


def test_a_clip_is_looked_at_and_becomes_a_film(page):
    """The way of most people: another clip, another time, a region, a film that plays and is saved."""
    first = page.source("left")
    assert "content 0, motion 0, time 0.00" in page.caption()
    page.changed(lambda: page.set("time", 0.5))
    page.until(lambda: "time 0.50" in page.caption())
    page.changed(lambda: page.click("next"))
    page.until(lambda: "content 1, motion 1" in page.caption())
    page.set("time", 0)
    page.changed(lambda: (page.set("content", 0), page.set("motion", 0)))
    assert page.until(lambda: page.source("left") == first)  # a clip depends on its ids alone
    _drag_the_top_right_quarter(page)
    drawn = lambda: [_value(page, name) for name in ("x0", "y0", "x1", "y1")]
    page.until(lambda: np.allclose(drawn(), [0, 0, 1, 1], atol=0.03))  # two of the picture's pixels on the page
    page.changed(lambda: page.click("zoom_whole"))
    file = page.draw(frames=6, width=48, height=32)
    assert (
        read_metadata(file)["request"] | {"frames": 6, "size": [48, 32], "ids": [0]} == read_metadata(file)["request"]
    )
    page.driver.execute_script("document.querySelector('#film_left').scrollIntoView()")  # Chromium plays what is seen
    video = "const v = document.querySelector('#film_left video'); return v.videoWidth === 48 && v.currentTime > 0"
    page.until(lambda: page.driver.execute_script(video), "a video that plays")
    command = page.one("#command code").text
    assert command.startswith("digan render --run ") and "--frames 6" in command and "--size 48x32" in command
    assert "digan.RenderRequest" in page.one("#python code").text
    page.set("frames", 999)
    page.click("draw")
    page.said("frames")
    assert page.one("#message p").get_attribute("role") == "alert"


def _value(page, name):
    return float(page.one(f"#{name} input").get_attribute("value"))


def _drag_the_top_right_quarter(page):
    from selenium.webdriver.common.action_chains import ActionChains

    image = page.one("#left img")
    page.driver.execute_script("arguments[0].scrollIntoView({block: 'center'})", image)
    w, h = image.size["width"], image.size["height"]
    chain = ActionChains(page.driver).move_to_element_with_offset(image, 0, 0).click_and_hold()
    chain.move_by_offset(w // 4, -h // 4).move_by_offset(w - w // 2 - w // 4 + 4, -h // 4 - 4).release().perform()


def test_nothing_is_fetched_from_elsewhere_and_no_script_fails(page):
    names = page.driver.execute_script("return performance.getEntriesByType('resource').map(entry => entry.name)")
    assert names and {urllib.parse.urlsplit(name).netloc for name in names} == {
        urllib.parse.urlsplit(page.address).netloc
    }
    severe = [entry["message"] for entry in page.driver.get_log("browser") if entry["level"] == "SEVERE"]
    assert severe == []


def test_every_control_has_a_name_and_the_keyboard_reaches_it(page):
    unnamed = """
        const named = e => e.labels?.length || e.getAttribute('aria-label') || e.getAttribute('aria-labelledby')
            || e.title || e.textContent.trim();
        return [...document.querySelectorAll('input, select, textarea, button, canvas')]
            .filter(e => e.offsetParent && !named(e)).map(e => e.outerHTML.slice(0, 200));
    """
    assert page.driver.execute_script(unnamed) == []
    from selenium.webdriver.common.keys import Keys

    slider = page.one("#time input[type=range]")
    page.changed(lambda: slider.send_keys(Keys.ARROW_RIGHT * 30))
    page.driver.execute_script("document.querySelector('#draw').focus()")
    page.driver.switch_to.active_element.send_keys(Keys.TAB)
    assert page.driver.switch_to.active_element.get_attribute("id") == "cancel"
    page.set("time", 0)


# ---- each control ----


@pytest.mark.slow
def test_pictures_follow_all_controls_that_they_should(page):
    for name, value in (("truncation", 0.3), ("motion", 5), ("x0", -2), ("edit_1", 3)):
        before = _value(page, name)
        if name == "motion":
            page.changed(lambda: page.set("time", 1))  # at the first frame motion has little to say
        page.changed(lambda: page.set(name, value))
        page.changed(lambda: page.set(name, before))
    page.changed(lambda: page.click("zoom_in"))
    assert (_value(page, "x0"), _value(page, "y1")) == (-0.5, 0.5)
    page.changed(lambda: page.click("zoom_out"))
    page.until(lambda: _value(page, "x1") == 1)
    page.changed(lambda: page.set("width", 64))
    page.until(lambda: "64×" in page.caption())
    page.changed(lambda: page.choose("mode", "native"))
    page.until(lambda: "32×32 pixels" in page.caption())
    page.changed(lambda: page.choose("mode", "auto"))
    page.changed(lambda: page.choose("step", "0"))
    page.changed(lambda: page.choose("step", "newest"))


@pytest.mark.slow
def test_two_steps_stand_side_by_side(page, followed_run):
    page.choose("beside", str(followed_run))
    page.until(lambda: page.source("right"))
    page.choose("beside_step", "0")
    page.until(lambda: page.source("right") != page.source("left"))
    file = page.draw(frames=3, width=32, height=32)
    assert file.name.startswith("clip_a")
    assert page.saved("film_right").name.startswith("clip_b")
    assert page.one("#command code").text.count("digan render") == 2
    page.choose("beside", "nothing")
    gone = lambda: not any(part.is_displayed() for part in page.driver.find_elements("css selector", "#right"))
    page.until(gone)


@pytest.mark.slow
def test_walks_and_grids(page):
    page.choose("film", "walk between kept clips")
    page.click("draw")
    page.said("a walk needs two kept clips or more")
    for content in (3, 5):
        page.changed(lambda: page.set("content", content))
        page.click("keep")
        page.until(lambda: f"{content} / " in page.text("kept"))
    made = read_metadata(page.draw(seconds=0.5, fps=8, width=32, height=32, walk_of="content"))["request"]
    assert (made["walk"], made["walk_of"]) == ([3, 5], "content")
    page.click("clear")
    page.until(lambda: "None yet" in page.text("kept"))
    made = page.draw(film="contents × motions", contents=2, motions=3, format="png", frames=2)
    with Image.open(made) as sheet:
        assert sheet.size == (2 * 3 * 32, 2 * 32)
    page.choose("film", "this clip")


@pytest.mark.slow
@pytest.mark.parametrize("suffix", ["mp4", "webm", "gif", "png", "npz"])
def test_every_format_is_saved_and_opens(page, suffix):
    file = page.draw(format=suffix, frames=3, width=32, height=24, fps=10)
    assert file.suffix == f".{suffix}" and read_metadata(file)["request"]["size"] == [32, 24]
    kinds = {"mp4": "video", "webm": "video", "gif": "img", "png": "img"}
    shown = page.driver.find_elements("css selector", "#film_left .shown > *")
    assert [element.tag_name for element in shown] == ([kinds[suffix]] if suffix in kinds else [])
    page.choose("format", "mp4")


@pytest.mark.slow
def test_a_film_is_cancelled(page):
    page.choose("mode", "smooth")
    for name, value in (("width", 512), ("height", 512), ("frames", 400)):
        page.set(name, value)
    page.click("draw")
    page.said("of 400 frames")
    page.click("cancel")
    page.said("cancelled")
    page.draw(frames=2, width=32, height=32)  # the next one is drawn
    page.choose("mode", "auto")


@pytest.mark.slow
def test_a_video_is_enlarged(page, tmp_path):
    clip = np.random.default_rng(0).integers(0, 256, (5, 12, 16, 3)).astype(np.uint8)
    write_video(tmp_path / "small.mp4", clip)
    page.one("button[role=tab]:nth-of-type(2)").click()
    page.until(lambda: page.one("#upscale_draw").is_displayed())
    page.click("upscale_draw")
    page.until(lambda: "choose a file first" in page.text("upscale_message"))
    page.one("#upscale_video input").send_keys(str(tmp_path / "small.mp4"))
    page.until(lambda: "small.mp4 is there" in page.text("upscale_video"))
    page.set("upscale_scale", 2)
    page.click("upscale_draw")
    page.until(lambda: "made." in page.text("upscale_message"), "an enlarged video")
    playing = (
        "const v = document.querySelector('#upscale_film video'); return v.videoWidth === 32 && v.videoHeight === 24"
    )
    page.until(lambda: page.driver.execute_script(playing), "an enlarged video")
    assert "digan upscale small.mp4 --out upscale.mp4 --run" in page.one("#upscale_command code").text
    page.set("upscale_scale", 100)
    page.click("upscale_draw")
    page.until(lambda: "1600x1200 pixels: this studio draws frames of at most 1024" in page.text("upscale_message"))
    (tmp_path / "large.mp4").write_bytes(b"x" * 1_100_000)
    page.one("#upscale_video input").send_keys(str(tmp_path / "large.mp4"))
    page.until(lambda: "larger than the 1 MB" in page.text("upscale_video"))
    page.one("button[role=tab]:nth-of-type(1)").click()


@pytest.mark.slow
def test_a_run_is_followed(page, followed_run):
    page.one("button[role=tab]:last-of-type").click()
    page.until(lambda: "0.8 of" in page.text("trained"))
    page.until(lambda: page.driver.find_elements("css selector", "#curves canvas, #curves svg"))
    page.until(lambda: page.source("sample_strip"))
    with open(followed_run / "metrics.jsonl", "a") as log:
        log.write(json.dumps({"step": 90, "progress/kimg": 9.0, "critic/loss": 0.1}) + "\n")
    page.until(lambda: "9.0 of" in page.text("trained"), "the next line of the log")
    page.one("button[role=tab]:nth-of-type(1)").click()


@pytest.mark.slow
def test_a_phone_and_the_dark(page):
    size = page.driver.get_window_size()
    try:
        page.driver.execute_cdp_cmd(
            "Emulation.setDeviceMetricsOverride", {"width": 375, "height": 812, "deviceScaleFactor": 2, "mobile": True}
        )
        wide = "return [document.documentElement.scrollWidth, document.querySelector('#draw').offsetWidth]"
        page.until(lambda: page.driver.execute_script(wide)[0] <= 375, "a page as wide as the phone")
        ground = "return getComputedStyle(document.body).backgroundColor"
        light = page.driver.execute_script(ground)
        features = {"features": [{"name": "prefers-color-scheme", "value": "dark"}]}
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", features)
        page.driver.get(page.address)
        page.until(lambda: page.source("left"))
        assert page.driver.execute_script(ground) != light
    finally:
        page.driver.execute_cdp_cmd("Emulation.clearDeviceMetricsOverride", {})
        page.driver.execute_cdp_cmd("Emulation.setEmulatedMedia", {"features": []})
        page.driver.set_window_size(size["width"], size["height"])
