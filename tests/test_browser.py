"""The page in headless Chromium: a video in three clicks, two users, another codec, the microphone, the network log."""

import json
import shutil
import urllib.parse

import cv2
import pytest

from media.reading import video_info

from .conftest import SAMPLES
from .media_files import frames_of
from .page_server import Server

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

    def __init__(self, server, profile, *flags):
        options = webdriver.ChromeOptions()
        for flag in (*FLAGS, f"user-data-dir={profile}", *flags):
            options.add_argument(f"--{flag}")
        options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
        self.server = server
        self.browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))

    def open(self, query=""):
        self.browser.get(f"{self.server.address}/{query}")
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
    leave(user, server)


@pytest.fixture
def teacher(tmp_path):
    """Somebody with a camera, and a server that trains in a few steps."""
    (tmp_path / "scratch").mkdir()
    with Server(tmp_path / "scratch", "--faces", tmp_path / "faces", "--steps", "20") as server:
        write_y4m(tmp_path / "camera.y4m", frames_of(SAMPLES / "pwad5a.mpg")[::3])
        user = User(server, tmp_path / "profile", f"use-file-for-fake-video-capture={tmp_path / 'camera.y4m'}")
        user.faces = tmp_path / "faces"
        yield user
        leave(user, server)


def write_y4m(path, images, frame_rate=8):
    """Writes RGB images as Chromium's fake camera reads them."""
    height, width = images[0].shape[:2]
    with open(path, "wb") as file:
        file.write(f"YUV4MPEG2 W{width} H{height} F{frame_rate}:1 Ip A1:1 C420\n".encode())
        for image in images:
            file.write(b"FRAME\n" + cv2.cvtColor(image, cv2.COLOR_RGB2YUV_I420).tobytes())


def leave(user, server):
    """Closes the browser; it has seen no error, and asked no other host."""
    log = [json.loads(entry["message"])["message"] for entry in user.browser.get_log("performance")]
    asked = [m["params"]["request"]["url"] for m in log if m["method"] == "Network.requestWillBeSent"]
    asked += [m["params"]["url"] for m in log if m["method"] == "Network.webSocketCreated"]
    here = urllib.parse.urlsplit(server.address).netloc
    asked = [url for url in asked if url.startswith(("http", "ws"))]
    outside = [url for url in asked if urllib.parse.urlsplit(url).netloc != here]
    errors = [entry for entry in user.browser.get_log("browser") if entry["level"] == "SEVERE"]
    user.browser.quit()
    assert asked and not outside and not errors, (outside, errors)


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
    user.wait("document.getElementById('live-state').textContent === 'No microphone was found.'")
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


@pytest.mark.parametrize("page", ["", "train"])
def test_nothing_sticks_out_of_a_narrow_page(user, page):
    narrow = {"width": 390, "height": 800, "deviceScaleFactor": 1, "mobile": False}
    user.browser.execute_cdp_cmd("Emulation.setDeviceMetricsOverride", narrow)
    user.browser.get(f"{user.server.address}/{page}")
    user.wait("limits.upload || limits.video")
    user.see(f"document.querySelector('#model option, #size option').text = {'a-long-name-' * 5!r}")
    sections = "[...document.querySelectorAll('section')]"
    inside = "[...it.querySelectorAll('*')].filter((part) => part.getBoundingClientRect().width > 1)"
    beyond = "part.getBoundingClientRect().right > it.getBoundingClientRect().right"
    assert user.see(f"{sections}.flatMap((it) => {inside}.filter((part) => {beyond})).map((part) => part.id)") == []
    assert user.see("document.documentElement.scrollWidth <= document.documentElement.clientWidth")


def test_a_face_is_learned_from_a_video(teacher, take):
    teacher.browser.get(f"{teacher.server.address}/train")
    teacher.wait("!document.getElementById('none').hidden && limits.video")
    teacher.give("file", take)
    assert teacher.text("chosen") == "take.mp4" and teacher.see("document.getElementById('name').value") == "take"
    teacher.wait("document.getElementById('take').videoWidth")
    assert teacher.see("document.getElementById('send').disabled")  # without consent
    teacher.browser.find_element(By.ID, "size").send_keys("64")
    teacher.click("#consent")
    teacher.click("#send")
    article = "document.getElementById('face-take').innerText"
    parts = "[...document.querySelectorAll('#face-take *')].filter((it) => it.offsetParent)"
    buttons = f"{parts}.map((it) => it.textContent)"
    picture = f"{parts}.find((it) => it.naturalWidth)?.alt"
    teacher.wait("document.getElementById('face-take')")
    teacher.wait(f"{buttons}.includes('Train')")
    found = teacher.see(article)
    assert "Speech: 11 s for training, 2 s for validation" in found and "0.2 minutes of speech to train on" in found
    assert "found in the video" in teacher.wait(picture) and not teacher.see(
        "document.getElementById('consent').checked"
    )
    teacher.click("#face-take .primary")
    teacher.wait(f"{buttons}.includes('Stop')")
    assert "painted by the second" in teacher.wait(picture)  # it sharpens
    teacher.wait("document.querySelector('#face-take a') && !document.querySelector('#face-take a').hidden")
    assert "The mouth " in teacher.see(article) and "64 pixels: trained." in teacher.see(article)
    teacher.click("#face-take a")
    teacher.wait("document.getElementById('model').value === 'take'")
    teacher.click(".example")
    teacher.click("#make")
    teacher.watch()
    assert teacher.see("document.getElementById('video').videoWidth") == 360  # in the video that it learned from
    teacher.browser.get(f"{teacher.server.address}/train")
    teacher.wait(f"{buttons}.includes('Delete')")
    teacher.browser.find_element(By.CSS_SELECTOR, "#face-take .row button:last-child").send_keys(Keys.ENTER)
    teacher.browser.switch_to.alert.accept()
    teacher.wait("!document.getElementById('none').hidden && !document.getElementById('face-take')")
    teacher.wait("document.activeElement.id === 'faces-title'")
    assert [path.name for path in teacher.faces.iterdir()] == [".lock"]


def test_a_recording_of_the_camera_is_looked_at(teacher):
    teacher.browser.get(f"{teacher.server.address}/train")
    teacher.wait("limits.video")
    teacher.click("#record")
    teacher.wait("document.getElementById('take').videoWidth")
    assert "big blue umbrella" in teacher.see("document.getElementById('reading').innerText")
    teacher.wait("document.getElementById('clock').textContent === 'recording: 3 s'")
    teacher.click("#record")
    teacher.wait("document.getElementById('chosen').textContent.startsWith('recording.')")
    assert teacher.see("document.getElementById('reading').hidden && document.getElementById('clock').hidden")
    teacher.see("(document.getElementById('name').value = 'Jos\u00e9')")
    teacher.click("#consent")
    teacher.click("#send")
    assert "without accents" in teacher.text("problem")
    teacher.see("(document.getElementById('name').value = 'recording')")
    teacher.browser.find_element(By.ID, "name").send_keys("-me")  # behind the name that is there
    teacher.click("#send")
    problem = teacher.wait("document.querySelector('#face-recording-me .problem')?.textContent")
    assert "are missing to 20 s" in problem
