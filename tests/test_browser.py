"""The page in headless Chromium: a video in three clicks, two users, another codec, the microphone, the network log."""

import json
import shutil
import urllib.parse

import pytest

from media.reading import video_info

from .conftest import SAMPLES

webdriver = pytest.importorskip("selenium.webdriver")
from selenium.webdriver.common.by import By  # noqa: E402
from selenium.webdriver.common.keys import Keys  # noqa: E402
from selenium.webdriver.support.wait import WebDriverWait  # noqa: E402

pytestmark = pytest.mark.skipif(not shutil.which("chromedriver"), reason="no Chromium on this machine")
FLAGS = (
    "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
    "disable-component-update", "disable-sync", "autoplay-policy=no-user-gesture-required",
    "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream",
    f"use-file-for-fake-audio-capture={SAMPLES / 'speech.wav'}",
)  # fmt: skip
WITHOUT_H264 = """
const plays = HTMLMediaElement.prototype.canPlayType;
HTMLMediaElement.prototype.canPlayType = function (type) { return type.includes("mp4") ? "" : plays.call(this, type); };
"""


class User:
    """Somebody who looks at the page in a browser."""

    def __init__(self, server, profile):
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"user-data-dir={profile}"):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.server = server
        self.browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))

    def open(self):
        self.browser.get(self.server.address)
        self.wait("document.querySelectorAll('.example').length")

    def see(self, script):
        return self.browser.execute_script(f"return {script}")

    def wait(self, script):
        return WebDriverWait(self.browser, 120).until(lambda _: self.see(script), script)

    def text(self, name):
        return self.see(f"document.getElementById('{name}').textContent")

    def click(self, selector):
        self.browser.find_element(By.CSS_SELECTOR, selector).click()

    def give(self, name, path):
        self.browser.find_element(By.ID, name).send_keys(str(path))

    def watch(self):
        """Waits until the video plays."""
        self.wait("document.getElementById('video').currentTime > 0.5 && document.getElementById('video').videoWidth")


@pytest.fixture
def user(server, tmp_path):
    user = User(server, tmp_path / "profile")
    yield user
    log = [json.loads(entry["message"])["message"] for entry in user.browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in log if m["method"] == "Network.requestWillBeSent"]
    asked += [m["params"]["url"] for m in log if m["method"] == "Network.webSocketCreated"]
    here = urllib.parse.urlsplit(server.address).netloc
    asked = [url for url in asked if url.startswith(("http", "ws"))]
    outside = [url for url in asked if urllib.parse.urlsplit(url).netloc != here]
    errors = [entry for entry in user.browser.get_log("browser") if entry["level"] == "SEVERE"]
    user.browser.quit()
    assert asked and not outside and not errors


def test_three_clicks_make_a_video(user, tmp_path):
    user.open()
    user.click(".example")
    assert user.wait("document.getElementById('heard').duration") == pytest.approx(2.98, abs=0.01)
    user.click("#make")
    user.watch()
    assert user.see("document.getElementById('video').videoWidth") == 256
    colours = user.see(
        "new Set(document.getElementById('curves').getContext('2d').getImageData(0, 0, 960, 160).data).size"
    )
    assert colours > 10  # something is drawn there
    assert user.text("state").startswith("“Lay red")
    (tmp_path / "text.wav").write_text("this is no sound")
    user.give("speech", tmp_path / "text.wav")
    assert user.see("document.getElementById('result').hidden") and user.text("state") == ""  # they are of other speech
    user.click("#make")
    assert "text.wav: cannot be read" in user.wait("document.getElementById('speech-problem').textContent")
    assert user.text("problem") == "" and not user.see("document.getElementById('speech-problem').hidden")
    user.give("speech", SAMPLES / "speech.wav")
    assert user.text("speech-problem") == ""
    user.give("source", tmp_path / "text.wav")
    user.click("#make")
    assert "text.wav: " in user.wait("document.getElementById('source-problem').textContent")
    assert user.text("problem") == user.text("speech-problem") == ""
    user.click("#source-none")
    user.click("#make")  # and goes on
    user.watch()


def test_two_users_at_once_one_without_h264(user, tmp_path):
    user.open()
    user.browser.switch_to.new_window("window")
    user.browser.execute_cdp_cmd("Page.addScriptToEvaluateOnNewDocument", {"source": WITHOUT_H264})
    user.open()
    for window in user.browser.window_handles:
        user.browser.switch_to.window(window)
        user.click(".example")
        user.click("#make")
    endings = set()
    for window in user.browser.window_handles:
        user.browser.switch_to.window(window)
        user.watch()
        path = urllib.parse.urlsplit(user.see("document.getElementById('download').href"))
        video = tmp_path / "video"
        video.write_bytes(user.server.ask(f"{path.path}?{path.query}")[1])
        assert video_info(video).frame_rate == 25
        endings.add(user.see("fetch(document.getElementById('video').src).then((a) => a.headers.get('content-type'))"))
    assert endings == {"video/mp4", "video/webm"}


def test_everything_is_reached_by_keyboard(user):
    user.open()
    reached = []
    for _ in range(12):
        webdriver.ActionChains(user.browser).send_keys(Keys.TAB).perform()
        reached.append(user.see("document.activeElement.id || document.activeElement.className"))
    assert {"speech", "record", "example", "model", "source", "live", "listen"} <= set(reached)
    named = "it.ariaLabel || it.textContent.trim() || it.labels?.length"
    controls = "document.querySelectorAll('input, button, select, audio, canvas, progress')"
    assert user.see(f"[...{controls}].filter((it) => !({named})).map((it) => it.id)") == []


def test_a_recording_and_a_source_make_a_video(user):
    user.open()
    user.click("#record")
    user.wait("document.getElementById('chosen').textContent.startsWith('recording: 2')")
    user.click("#record")
    user.wait("document.getElementById('chosen').textContent === 'your recording'")
    user.give("source", SAMPLES / "lbbq9s.mkv")
    assert user.text("source-chosen") == "lbbq9s.mkv"
    user.click("#make")
    user.watch()
    assert user.see("document.getElementById('video').videoWidth") == 360
    user.click("#source-none")
    assert user.text("source-chosen").startswith("none")


FACE = """(() => {
  const face = document.getElementById("live-face"), pixels = face.getContext("2d").getImageData(100, 100, 50, 50).data;
  return {seen: face.offsetHeight > 0, light: pixels.reduce((sum, value) => sum + value) / pixels.length,
          strength: Number(getComputedStyle(face).opacity)};
})()"""  # of which a black square is as light as 64, an empty one as 0


def test_the_live_face_is_seen_before_and_after_it_speaks(user):
    user.open()
    user.browser.execute_script(
        "window.lent = navigator.mediaDevices.getUserMedia; "
        "navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('', 'NotFoundError'))"
    )
    user.click("#live")
    user.wait("document.getElementById('live-state').textContent === 'There is no microphone.'")
    assert not user.see(FACE)["seen"] and user.see("document.getElementById('live-progress').hidden")
    user.browser.execute_script("navigator.mediaDevices.getUserMedia = window.lent")
    user.click("#live")
    user.wait("document.getElementById('live-state').textContent.startsWith('loading')")
    user.wait(f"{FACE}.seen")
    at_rest = user.see(FACE)
    assert at_rest["light"] > 150 and not user.see("document.getElementById('live-progress').hidden")
    user.click("#live")
    user.wait("document.getElementById('live').textContent === 'Speak with this face'")
    assert user.see(FACE) == at_rest | {"strength": 1} and user.see("document.getElementById('live-progress').hidden")


def test_the_live_face_keeps_in_step(user):
    user.open()
    user.click("#live")  # twice at once: the microphone is let go, and the seat
    user.click("#live")
    user.click("#live")
    user.wait("window.liveStats.frames > 40 && window.liveStats.offsets.length")
    stats = user.see("window.liveStats")
    assert stats["frames"] == stats["expected"] and 0.18 < stats["delay"] < 2  # the look-ahead of the tiny model is .18
    assert "behind you" in user.text("live-numbers")
    user.click("#live")
    user.wait("document.getElementById('live').textContent === 'Speak with this face'")


def test_nothing_sticks_out_of_a_narrow_page(user):
    narrow = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    user.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    user.open()
    user.see(f"document.querySelector('#model option').text = {'a-long-name-' * 5!r}")
    sections = "[...document.querySelectorAll('section')]"
    inside = "[...it.querySelectorAll('*')].filter((part) => part.getBoundingClientRect().width > 1)"
    beyond = "part.getBoundingClientRect().right > it.getBoundingClientRect().right"
    assert user.see(f"{sections}.flatMap((it) => {inside}.filter((part) => {beyond})).map((part) => part.id)") == []
    assert user.see("document.documentElement.scrollWidth <= document.documentElement.clientWidth")
