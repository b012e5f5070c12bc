"""The page's server: uploads, videos, limits, who is let in."""

import asyncio
import concurrent.futures
import json
import os
import re
import signal
import socket
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import numpy as np
import pytest

from audio2faces.app.jobs import CANCELLED, Job, JobQueue, Limits
from audio2faces.app.routes import EXAMPLES, PAGE
from audio2faces.app.uploads import FullError
from audio2faces.app.worker import MEMORY
from media.reading import read_speech, video_info

from .conftest import ROOT, SAMPLES, one_line, run_program
from .page_server import Server

uvicorn = pytest.importorskip("uvicorn")
SPEECH = (SAMPLES / "speech.wav").read_bytes()
EXAMPLE = next(iter(EXAMPLES))


def test_speech_becomes_a_video(server, tmp_path):
    assert server.line.startswith("open http://127.0.0.1:")
    page = server.ask("/")[1].decode()
    assert "talking face" in page and server.ask("/page/page.js")[0] == 200
    choices = server.ask("/api/choices")[1]
    names = [model["name"] for model in choices["models"]]
    assert names == ["tiny", "grid-s1-128", "grid-s1-64", "began-grid-s1"]
    assert choices["models"][3]["about"] == "64 pixels, a BEGAN" and choices["limits"]["upload"] == 3_000_000
    assert [model["picture"] for model in choices["models"]] == [True, True, True, False]
    assert server.ask("/api/models/tiny/picture")[1][:4] == b"\x89PNG"
    assert server.ask("/api/models/began-grid-s1/picture")[0] == server.ask("/api/models/none/picture")[0] == 404
    for name in choices["examples"]:
        sound = tmp_path / "example.wav"
        sound.write_bytes(server.ask(f"/api/examples/{urllib.parse.quote(name)}")[1])
        assert np.allclose(read_speech(sound), np.clip(read_speech(SAMPLES / EXAMPLES[name]), -1, 1), atol=1e-4)
    state, key = server.job(speech=server.upload(SPEECH))
    assert state["state"] == "done" and state["share"] == 1 and state["result"]["frames"] == 74
    assert len(state["result"]["opening"]) == 74 and len(state["result"]["peaks"]) == round(50 * 2.978)
    for format, suffix in (("mp4", ""), ("webm", "?download")):
        if format == "webm":
            state, key = server.job(speech=EXAMPLE, format="webm")  # an example, for browsers without H.264
        path = tmp_path / f"talking.{format}"
        path.write_bytes(server.ask(f"/api/jobs/{key}/video{suffix}")[1])
        assert video_info(path).frame_rate == 25 and abs(len(read_speech(path)) / 16000 - 2.978) < 0.06


def test_what_is_not_audio_is_refused_in_the_users_words(server):
    state, _ = server.job(speech=server.upload(b"this is a text, not a sound", "../../notes\n.txt"))
    assert state["state"] == "failed" and "../../notes.txt" in state["message"] and state["wrong"] == "speech"
    assert str(server.scratch) not in state["message"] and "Traceback" not in state["message"]
    state, _ = server.job(speech=EXAMPLE, source=server.upload(b"no picture", "me.png"))
    assert state["state"] == "failed" and "me.png" in state["message"] and state["wrong"] == "source"


@pytest.mark.parametrize(
    "body", [b"", b"[]", b"{", b'{"model": "tiny"}', b'{"model": "tiny", "speech": "../../etc/passwd"}',
             b'{"model": "/etc", "speech": "speech.wav"}', b'{"model": ["tiny"], "speech": "speech.wav"}',
             b'{"model": "tiny", "speech": {"a": 1}}', b'{"model": "tiny", "speech": "speech.wav", "format": "exe"}',
             b"x" * 20000, b"[" * 9999],
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
    for other in ("evil.example", "[::1", ""):
        assert server.ask("/api/choices", Host=other)[0] in (400, 403)
    assert server.ask("/api/choices", **{"Sec-Fetch-Site": "cross-site"})[0] == 403
    assert server.ask("/", **{"Sec-Fetch-Site": "cross-site"})[0] == 200  # a link was followed
    assert server.ask("/api/uploads?name=a", SPEECH, Origin="http://evil.example")[0] == 403
    assert server.ask("/api/uploads?name=a", SPEECH, Origin=f"http://{host}")[0] == 200


def test_the_page_asks_no_other_host(server):
    for path in PAGE.iterdir():
        assert not re.search(r"(https?:)?//[\w-]+\.\w", path.read_text()), path
    with urllib.request.urlopen(server.address) as answer:
        assert "default-src 'self'" in answer.headers["Content-Security-Policy"]
        assert answer.headers["Cache-Control"] == "no-store"


def test_large_and_empty_uploads_are_refused_and_not_kept(server):
    before = server.stored()
    status, answer = server.ask("/api/uploads?name=a.wav", bytes(3_000_001))
    assert status == 400 and answer["error"] == "a.wav: larger than 3 MB; cut it"
    assert server.ask("/api/uploads?name=a.wav", b"")[1]["error"] == "a.wav: the file is empty"
    assert server.stored() == before


def test_uploads_go_when_their_job_has_ended(server):
    before = server.stored()
    key = server.upload(SPEECH)
    assert len(server.stored()) == len(before) + 1
    server.job(speech=key)
    (video,) = set(server.stored()) - set(before)
    assert video.startswith("video-")
    again = server.ask("/api/jobs", json.dumps({"model": "tiny", "speech": key}).encode())
    assert again[0] == 400 and "choose it again" in again[1]["error"]


def test_many_at_once_are_all_answered(server):
    with concurrent.futures.ThreadPoolExecutor(20) as pool:
        states = list(pool.map(lambda _: server.job(speech=server.upload(SPEECH))[0]["state"], range(20)))
    assert states == ["done"] * 20


def test_a_full_queue_says_so(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--most-waiting", "1", "--most-speech", "2") as server:
        ask = json.dumps({"model": "tiny", "speech": EXAMPLE}).encode()
        answers = [server.ask("/api/jobs", ask) for _ in range(3)]  # one is worked at, one waits
        assert "Please try again" in next(answer["error"] for status, answer in answers if status == 503)
        state = server.finished(answers[0][1]["key"])
        assert state["state"] == "failed" and state["message"] == f"{EXAMPLE}: longer than 2 s; cut it"
        assert "Traceback" not in server.end() and not any(tmp_path.glob("audio2faces-*"))


def test_a_job_that_takes_too_long_is_ended(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--most-seconds", "0") as server:
        state, _ = server.job(speech=EXAMPLE)
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
    generator, before = np.random.default_rng(0), server.stored()
    videos = 0
    for _ in range(200):
        state, _ = server.job(speech=server.upload(*damaged(generator)))
        videos += state["state"] == "done"
        lines = state["message"], *state.get("result", {}).get("notes", ())
        assert not any(sign in line for line in lines for sign in ("Traceback", "\n", str(server.scratch)))
    stored = set(server.stored()) - set(before)
    assert len(stored) == videos and all(name.startswith("video-") for name in stored)
    assert server.job(speech=EXAMPLE)[0]["state"] == "done"


def test_a_list_of_other_files_is_not_audio(server):
    state, _ = server.job(speech=server.upload(b"ffconcat version 1.0\nfile video-x.mp4\n", "list.wav"))
    assert state["message"].startswith("list.wav: cannot be read as audio or video (Invalid argument)")


def test_a_worker_that_dies_fails_its_job_alone(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder) as server:
        _, made = server.job(speech=EXAMPLE)
        limits = Path(f"/proc/{server.worker()}/limits").read_text()
        assert re.search(rf"Max data size\s+{MEMORY}\s", limits)
        key = server.ask("/api/jobs", json.dumps({"model": "grid-s1-128", "speech": EXAMPLE}).encode())[1]["key"]
        while server.ask(f"/api/jobs/{key}")[1]["state"] == "waiting":
            pass
        os.kill(server.worker(), signal.SIGKILL)
        state = server.finished(key)
        assert state["state"] == "failed" and "could not be read" in state["message"]
        assert [name for name in server.stored() if "video" in name] == [f"video-{made}.mp4"]  # no part of another
        assert server.job(speech=EXAMPLE)[0]["state"] == "done"


def test_what_is_cancelled_ends(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder) as server:
        ask = json.dumps({"model": "grid-s1-128", "speech": EXAMPLE}).encode()
        first, second = (server.ask("/api/jobs", ask)[1]["key"] for _ in range(2))
        for key in (second, first):
            request = urllib.request.Request(f"{server.address}/api/jobs/{key}", method="DELETE")
            urllib.request.urlopen(request).close()
            state = server.finished(key)
            assert (state["state"], state["message"]) == ("failed", CANCELLED)
        assert server.job(speech=EXAMPLE)[0]["state"] == "done"


async def _of(*chunks):
    for chunk in chunks:
        yield chunk


def test_what_is_old_or_too_much_is_not_kept(tmp_path):
    async def scene():
        job_queue = JobQueue(Limits(files=2, stored=100, kept=1000), tmp_path)
        keys = [await job_queue.receive(_of(b"a" * 40), name) for name in "ab"]
        with pytest.raises(FullError):
            await job_queue.receive(_of(b"c"), "c")
        del job_queue.uploads[keys.pop()]
        with pytest.raises(FullError):
            await job_queue.receive(_of(b"c" * 61), "c")
        await job_queue.receive(_of(b"c" * 30, b"c" * 30), "c")
        assert [upload.size for upload in job_queue.uploads.values()] == [40, 60]
        videos = []
        for index in range(4):
            job = job_queue.jobs[index] = Job("m", tmp_path, None, {}, tmp_path / f"video-{index}", since=index)
            job.output.write_bytes(bytes(45))
            job.state = "done"
            videos.append(job)
        now = time.monotonic()
        for index, job in enumerate(videos):
            job.since = now + index
        job_queue.tidy()
        assert list(job_queue.jobs) == [2, 3] and not videos[0].output.exists() and videos[3].output.exists()
        job_queue.limits = Limits(kept=0)
        job_queue.uploads[keys[0]].since -= 1
        job.since = videos[2].since = now - 1
        job_queue.tidy()
        assert not job_queue.jobs and keys[0] not in job_queue.uploads and not list(tmp_path.glob("video*"))

    asyncio.run(scene())


def test_others_need_the_token(tiny_model_folder, tmp_path):
    with Server(tmp_path, "--model", tiny_model_folder, "--token", "open-sesame") as server:
        assert "?token=open-sesame" in server.line
        assert server.ask("/")[0] == 403 and server.ask("/api/choices?token=wrong")[0] == 403
        opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor())
        with opener.open(server.address + "/?token=open-sesame") as answer:
            assert answer.url == server.address + "/" and b"talking face" in answer.read()
        with opener.open(server.address + "/api/choices") as answer:
            assert "tiny" in json.load(answer)["models"][0]["name"]


def test_wrong_arguments_are_reported(tmp_path):
    assert "not a model folder" in one_line(run_program("-m", "audio2faces.app", "--model", tmp_path, cwd=ROOT))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run_program("-m", "audio2faces.app", "--port", taken.getsockname()[1], cwd=ROOT)
    assert "cannot listen there" in one_line(done)
