"""The page's server in a process of its own: uploads, videos, limits, live frames, and a browser where there is one."""

import asyncio
import concurrent.futures
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import cv2
import numpy as np
import pytest

from audio2faces.app import PAGE
from audio2faces.generation import Options, stream_faces
from audio2faces.live import HEADER, LiveFace
from audio2faces.model_folder import load_model
from preprocessing.media import read_speech, video_info

from .conftest import ROOT, SAMPLES, one_line, run_program

uvicorn = pytest.importorskip("uvicorn")
SPEECH = (SAMPLES / "speech.wav").read_bytes()


class Server:
    """A server in a process of its own, and what a browser would ask it."""

    def __init__(self, scratch, *arguments):
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.scratch = scratch
        command = [sys.executable, "-m", "audio2faces.app", "--port", str(port), *map(str, arguments)]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(scratch)},
        )  # fmt: skip
        self.line = self.process.stdout.readline()
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path, body=None, **headers):
        """Status and answer: JSON as it is, bytes of anything else."""
        request = urllib.request.Request(self.address + path, body, headers)
        try:
            with urllib.request.urlopen(request) as answer:
                status, kind, content = answer.status, answer.headers["Content-Type"], answer.read()
        except urllib.error.HTTPError as error:
            status, kind, content = error.code, error.headers["Content-Type"], error.read()
        return status, json.loads(content) if kind == "application/json" else content

    def upload(self, content, name="speech.wav"):
        """Key of an upload."""
        status, answer = self.ask(f"/api/uploads?name={urllib.parse.quote(name)}", content)
        assert status == 200, answer
        return answer["key"]

    def job(self, **request):
        """The last state of a job, and its key."""
        status, answer = self.ask("/api/jobs", json.dumps({"model": "tiny", **request}).encode())
        assert status == 200, answer
        return self.finished(answer["key"]), answer["key"]

    def finished(self, key):
        """The last state of a job."""
        while (state := self.ask(f"/api/jobs/{key}?wait")[1])["state"] in ("waiting", "working"):
            pass
        return state

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()

    def end(self):
        """Ends it as Ctrl-C does, and gives what it wrote to its log."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
        return self.process.communicate(timeout=60)[1]


@pytest.fixture(scope="module")
def server(tiny_model_folder, tmp_path_factory):
    scratch = tmp_path_factory.mktemp("server")
    with Server(scratch, "--model", tiny_model_folder, "--most-upload", "3000000") as server:
        yield server
    assert not any(path.name.startswith("audio2faces-") for path in server.scratch.iterdir())  # nothing is left


def test_speech_becomes_a_video(server, tmp_path):
    assert server.line.startswith("open http://127.0.0.1:")
    page = server.ask("/")[1].decode()
    assert "talking face" in page and server.ask("/page/page.js")[0] == 200
    choices = server.ask("/api/choices")[1]
    assert choices["models"][:2] == ["tiny", "grid-s1-128"] and "speech.wav" in choices["examples"]
    state, key = server.job(speech=server.upload(SPEECH))
    assert state["state"] == "done" and state["share"] == 1 and state["result"]["frames"] == 74
    assert len(state["result"]["opening"]) == 74 and len(state["result"]["peaks"]) == round(50 * 2.978)
    for format, suffix in (("mp4", ""), ("webm", "?download")):
        if format == "webm":
            state, key = server.job(speech="speech.wav", format="webm")  # an example, for browsers without H.264
        path = tmp_path / f"talking.{format}"
        path.write_bytes(server.ask(f"/api/jobs/{key}/video{suffix}")[1])
        assert video_info(path).frame_rate == 25 and abs(len(read_speech(path)) / 16000 - 2.978) < 0.06


def test_what_is_no_sound_is_refused_in_the_users_words(server):
    state, _ = server.job(speech=server.upload(b"this is a text, not a sound", "../../notes\n.txt"))
    assert state["state"] == "failed" and "../../notes.txt" in state["message"]
    assert str(server.scratch) not in state["message"] and "Traceback" not in state["message"]
    state, _ = server.job(speech="speech.wav", source=server.upload(b"no picture", "me.png"))
    assert state["state"] == "failed" and "me.png" in state["message"]


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model": "tiny"}', b'{"model": "tiny", "speech": "../../etc/passwd"}',
             b'{"model": "/etc", "speech": "speech.wav"}', b'{"model": ["tiny"], "speech": "speech.wav"}',
             b'{"model": "tiny", "speech": {"a": 1}}', b'{"model": "tiny", "speech": "speech.wav", "format": "exe"}',
             b"x" * 20000],
)  # fmt: skip
def test_strange_requests_get_one_line(server, body):
    status, answer = server.ask("/api/jobs", body)
    assert status == 400 and list(answer) == ["error"] and "\n" not in answer["error"]


@pytest.mark.parametrize(
    "path", ["/page/../app.py", "/page/..%2fapp.py", "/page/index.html", "/api/examples/..%2f..%2fREADME.md",
             "/api/jobs/x", "/api/jobs/..%2f/video", "/nowhere"],
)  # fmt: skip
def test_no_file_is_given_but_those_of_the_page(server, path):
    assert server.ask(path)[0] == 404


def test_pages_of_other_hosts_are_kept_out(server):
    host = server.address.removeprefix("http://")
    assert server.ask("/api/choices", Host="evil.example")[0] == 403
    assert server.ask("/api/uploads?name=a", SPEECH, Origin="http://evil.example")[0] == 403
    assert server.ask("/api/uploads?name=a", SPEECH, Origin=f"http://{host}")[0] == 200


def test_the_page_asks_no_other_host(server):
    for path in PAGE.iterdir():
        assert not re.search(r"(https?:)?//[\w-]+\.\w", path.read_text()), path
    with urllib.request.urlopen(server.address) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]


def test_large_and_empty_uploads_are_refused_and_not_kept(server):
    def stored():
        return len(os.listdir(next(server.scratch.glob("audio2faces-*"))))

    before = stored()
    status, answer = server.ask("/api/uploads?name=a.wav", bytes(3_000_001))
    assert status == 400 and answer["error"] == "a.wav: larger than 3 MB; cut it"
    assert server.ask("/api/uploads?name=a.wav", b"")[1]["error"] == "a.wav: the file is empty"
    assert stored() == before


def test_many_at_once_are_all_answered(server):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda _: server.job(speech=server.upload(SPEECH))[0]["state"], range(20)))
    assert states == ["done"] * 20


def test_a_full_queue_says_so(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--most-waiting", "1", "--most-speech", "2") as server:
        ask = json.dumps({"model": "tiny", "speech": "speech.wav"}).encode()
        answers = [server.ask("/api/jobs", ask) for _ in range(3)]  # one is worked at, one waits
        assert "Please try again" in next(answer["error"] for status, answer in answers if status == 503)
        state = server.finished(answers[0][1]["key"])
        assert state["state"] == "failed" and "longer than 2 s" in state["message"]
        assert "Traceback" not in server.end() and not any(tmp_path.glob("audio2faces-*"))


def test_a_job_that_takes_too_long_is_ended(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--most-seconds", "0") as server:
        state, _ = server.job(speech="speech.wav")
        assert state["state"] == "failed" and "longer than 0 s" in state["message"]


def damaged(generator):
    """A file that a decoder has to choke on, and its name."""
    kind = generator.integers(6)
    name = ["a.wav", "b.mp3", "../../c.mp4", "/etc/d.mkv", "e\0.wav", "f" * 300 + ".mpg"][kind]
    if kind == 0:  # a header that lies
        header = bytearray(SPEECH[:44])
        for _ in range(generator.integers(1, 8)):
            header[generator.integers(44)] = generator.integers(256)
        return bytes(header) + SPEECH[44 : 44 + generator.integers(4000)], name
    if kind == 1:
        return b"ID3\x04" + generator.bytes(generator.integers(1, 3000)), name
    if kind == 2:  # a box of a huge size
        return (0xFFFFFFF0).to_bytes(4, "big") + b"ftypisom" + generator.bytes(500), name
    if kind == 5:
        content = bytearray((SAMPLES / "lbwk9s.mpg").read_bytes()[: generator.integers(1, 60000)])
        for place in generator.integers(len(content), size=40):
            content[place] = generator.integers(256)
        return bytes(content), name
    return generator.bytes(generator.integers(1, 5000)), name


def test_damaged_files_end_nothing(server):
    generator = np.random.default_rng(0)
    files = [damaged(generator) for _ in range(40)]
    states = [server.job(speech=server.upload(*file))[0] for file in files]
    assert {state["state"] for state in states} <= {"failed", "done"}
    for state in states:
        assert "Traceback" not in state["message"] and str(server.scratch) not in state["message"]
    assert server.job(speech="speech.wav")[0]["state"] == "done"


def test_a_worker_that_dies_fails_its_job_alone(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder) as server:
        key = server.ask("/api/jobs", json.dumps({"model": "tiny", "speech": "speech.wav"}).encode())[1]["key"]
        while server.ask(f"/api/jobs/{key}")[1]["state"] == "waiting":
            pass
        children = Path(f"/proc/{server.process.pid}/task/{server.process.pid}/children").read_text().split()
        (worker,) = (pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())
        os.kill(int(worker), signal.SIGKILL)
        state = server.finished(key)
        assert state["state"] == "failed" and "could not be read" in state["message"]
        assert not list(next(tmp_path.glob("audio2faces-*")).iterdir())  # not even a part of the video
        assert server.job(speech="speech.wav")[0]["state"] == "done"


def test_others_need_the_token(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--token", "open sesame") as server:
        assert "?token=open%20sesame" in server.line
        assert server.ask("/")[0] == 403 and server.ask("/api/choices?token=wrong")[0] == 403
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(server.address + "/?token=open%20sesame") as answer:
            assert answer.url == server.address + "/" and b"talking face" in answer.read()
        with opener.open(server.address + "/api/choices") as answer:
            assert "tiny" in json.load(answer)["models"]


def test_live_frames_are_those_of_the_whole(tiny_model_folder):
    model = load_model(tiny_model_folder)
    samples = read_speech(SAMPLES / "speech.wav").astype(np.float32)
    live, made = LiveFace(model), []
    for first in range(0, len(samples), 333):
        number, frames = live.push(samples[first : first + 333])
        assert number == len(made)
        made += list(frames)
    whole = np.concatenate(list(stream_faces(model, SAMPLES / "speech.wav", 25.0, Options())))
    assert len(made) == np.ceil((len(samples) - live.face.look_ahead) / 640)  # all whose sound has been heard
    assert np.abs(np.array(made).astype(int) - whole[: len(made)]).max() <= 1


def test_a_microphone_moves_the_face(server):
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    samples = read_speech(SAMPLES / "speech.wav").astype("<f4")

    async def speak(url):
        frames = []
        async with connect(url) as live:
            about = json.loads(await live.recv())
            async with connect(url) as second:
                assert "already" in json.loads(await second.recv())["error"]
            for first in range(0, len(samples), 320):
                await live.send(samples[first : first + 320].tobytes())
            for _ in range(int(np.ceil((len(samples) - about["look_ahead"] * 16000) / 640))):
                frames.append(await live.recv())
            await live.send(b"odd")  # no float32
            with pytest.raises(ConnectionClosed):
                await live.recv()
        return about, frames

    url = server.address.replace("http", "ws") + "/live?model=tiny"
    for _ in range(2):  # and once more, with the same worker
        about, frames = asyncio.run(speak(url))
        assert about["sample_rate"] == 16000 and about["frame_rate"] == 25
        assert [HEADER.unpack_from(frame)[0] for frame in frames] == list(range(len(frames)))
        picture = cv2.imdecode(np.frombuffer(frames[40][HEADER.size :], np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (16, 16, 3)


def test_wrong_arguments_are_told(tmp_path):
    assert "no model folder" in one_line(run_program("-m", "audio2faces.app", "--model", tmp_path, cwd=ROOT))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_program("-m", "audio2faces.app", "--port", taken.getsockname()[1], cwd=ROOT)
    assert "cannot listen there" in one_line(done)


@pytest.mark.skipif(not shutil.which("chromedriver"), reason="no Chromium on this machine")
def test_three_clicks_in_a_browser(server, tmp_path):
    webdriver = pytest.importorskip("selenium.webdriver")
    from selenium.webdriver.common.by import By
    from selenium.webdriver.support.wait import WebDriverWait

    options = webdriver.ChromeOptions()
    flags = (
        "headless=new", "no-sandbox", "disable-gpu", "disable-quic", "no-first-run", "disable-background-networking",
        "disable-component-update", "disable-sync", f"user-data-dir={tmp_path / 'profile'}",
        "autoplay-policy=no-user-gesture-required", "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream",
        f"use-file-for-fake-audio-capture={SAMPLES / 'speech.wav'}",
    )  # fmt: skip
    for flag in flags:
        options.add_argument(f"--{flag}")
    options.set_capability("goog:loggingPrefs", {"performance": "ALL", "browser": "ALL"})
    service = webdriver.ChromeService(shutil.which("chromedriver"))
    browser = webdriver.Chrome(options=options, service=service)

    def wait(script):
        return WebDriverWait(browser, 60).until(lambda _: browser.execute_script(f"return {script}"), script)

    try:
        browser.get(server.address)
        wait("document.querySelectorAll('.example').length")
        browser.find_element(By.CSS_SELECTOR, ".example").click()
        browser.find_element(By.ID, "make").click()
        wait("document.getElementById('video').currentTime > 0.5")  # it plays
        assert browser.execute_script("return document.getElementById('video').videoWidth") == 256
        (tmp_path / "text.wav").write_text("this is no sound")
        browser.find_element(By.ID, "speech").send_keys(str(tmp_path / "text.wav"))
        browser.find_element(By.ID, "make").click()
        assert "text.wav" in wait("document.getElementById('problem').textContent")
        browser.find_element(By.ID, "live").click()
        wait("window.liveStats && window.liveStats.frames > 40")
        stats = browser.execute_script("return window.liveStats")
        assert stats["frames"] == stats["expected"] and stats["delay"] > 0.18  # the look-ahead of the tiny model
        asked = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]
        urls = [m["params"]["request"]["url"] for m in asked if m["method"] == "Network.requestWillBeSent"]
        outside = [url for url in urls if url.startswith(("http", "ws")) and not url.startswith(server.address)]
        assert not outside
        assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
    finally:
        browser.quit()
