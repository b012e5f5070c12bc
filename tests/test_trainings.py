"""Faces that are learned on the page: uploads, states, restarts, what goes wrong, what is left behind."""

import asyncio
import concurrent.futures
import contextlib
import errno
import json
import os
import resource
import shutil
import signal
import subprocess
import sys
from collections import namedtuple
from pathlib import Path

import numpy as np
import pytest

from audio2faces.app import trainings
from audio2faces.app.jobs import Limits
from audio2faces.app.trainings import LOG, Training, Trainings, progress_of
from audio2faces.app.uploads import FullError
from runtime.errors import InputError
from runtime.files import exclusive

from .conftest import ROOT, SAMPLES, one_line, run_program
from .page_server import Server
from .test_app import damaged

pytest.importorskip("uvicorn")
SHORT = (SAMPLES / "lbwk9s.mpg").read_bytes()  # 3 s


@pytest.fixture
def faces(tmp_path):
    """Where a server keeps its faces, which need not exist."""
    return tmp_path / "faces"


@pytest.fixture
def started(tmp_path, faces):
    """A function that starts a server with arguments."""
    servers = []

    def start(*arguments, **options):
        scratch = tmp_path / f"scratch-{len(servers)}"
        scratch.mkdir()
        servers.append(Server(scratch, "--faces", faces, *arguments, **options))
        return servers[-1]

    yield start
    for server in servers:
        server.end()


def left(faces):
    """Names of what lies in the folder of faces, but for its lock."""
    return sorted(path.name for path in faces.iterdir() if path.name != ".lock")


def ended(face):
    """Whether nothing more comes by itself."""
    return "progress" not in face


def of_worker(faces, name="anna"):
    """Process number of the one that works at a face; None if there is none."""
    for process in Path("/proc").glob("[0-9]*"):
        with contextlib.suppress(OSError):  # it has ended
            words = (process / "cmdline").read_bytes().decode(errors="replace").split("\0")
            if "audio2faces.app.train_worker" in words and str(faces / name) in words:
                return int(process.name)
    return None


def test_what_is_too_short_says_so_and_goes_without_a_trace(started, faces):
    server = started()
    assert server.ask("/api/faces")[1] == {"faces": []} and not faces.exists()
    status, face = server.learn(SHORT, file="me.mpg")
    assert status == 200 and face["state"] == "preparing" and "progress" in face
    face = server.face(until=ended)
    assert face["state"] == "failed" and "s are missing to 20 s" in face["message"]
    assert not any(sign in face["message"] for sign in ("error:", "\n", str(faces)))
    about = json.loads((faces / "anna" / "about.json").read_text())
    assert about["video"] == "video.mpg" and about["licence"].startswith("consent of the speaker")
    assert server.ask("/api/faces/anna/pictures/contact_sheet")[1][:4] == b"\x89PNG"
    assert server.ask("/api/faces/anna/pictures/faces")[0] == server.ask("/api/faces/anna/pictures/log")[0] == 404
    assert server.ask("/api/faces/anna", method="DELETE")[0] == 200
    assert left(faces) == [] and server.ask("/api/faces/anna/stop", b"")[0] == 404


def test_what_cannot_be_learned_from_is_refused(started, faces):
    server = started("--most-video", "1")
    for given, reason in (
        ({"consent": ""}, "consent"), ({"size": "65"}, "choose a size"), ({"name": ""}, "a name has"),
        ({"name": "../anna"}, "a name has"), ({"name": "a" * 41}, "a name has"),
        ({"name": "grid-s1-64"}, "already a face called"),
    ):  # fmt: skip
        status, answer = server.learn(SHORT, **given)
        assert status == 400 and reason in answer["error"], given
    assert server.learn(b"", file="a.mp4")[1]["error"] == "a.mp4: the file is empty"
    assert server.learn(bytes(1_000_001), file="a.mp4")[1]["error"] == "a.mp4: larger than 1 MB; cut it"
    assert server.ask("/api/faces")[1] == {"faces": []} and left(faces) == []
    assert server.learn(SHORT)[0] == 200
    assert "there is already a face called anna" in server.learn(SHORT)[1]["error"]


def test_damaged_videos_get_one_line_and_nothing_of_them_stays(started, faces):
    server, generator = started(), np.random.default_rng(1)
    for index in range(4):
        content, name = damaged(generator)
        assert server.learn(content, name=f"face{index}", file=name)[0] == 200
    assert server.learn(b"/etc/passwd\nhttp://127.0.0.1/x.mp4\n", name="list", file="list.txt")[0] == 200
    for name in ("face0", "face1", "face2", "face3", "list"):
        face = server.face(name, until=ended)
        assert face["state"] == "failed" and face["message"]
        assert not any(sign in face["message"] for sign in ("Traceback", "\n", "passwd", str(faces)))
        server.ask(f"/api/faces/{name}", method="DELETE")
    assert left(faces) == []


def test_a_killed_server_goes_on_when_it_starts_again(started, faces, take):
    server = started("--steps", "5000")
    server.learn(take.read_bytes())
    face = server.face(until=ended)
    assert face["state"] == "prepared" and face["found"]["seconds"]["train"] == pytest.approx(11.3, abs=0.2)
    assert any("0.2 minutes of speech" in line for line in face["found"]["warnings"])
    server.ask("/api/faces/anna/start", b"")
    server.face(until=lambda face: face["progress"]["text"] == "training the refiner")
    worker = of_worker(faces)
    os.kill(server.process.pid, signal.SIGKILL)
    server.process.wait()
    while Path(f"/proc/{worker}").exists() and "zombie" not in Path(f"/proc/{worker}/status").read_text():
        pass  # it notices by itself
    for path in server.scratch.iterdir():  # of a server that was killed
        shutil.rmtree(path)
    (faces / ".upload-x").mkdir()  # likewise
    (faces / ".git").mkdir()  # not ours
    again = started("--steps", "5000")
    assert "another server keeps its faces there" in one_line(
        run_program("-m", "audio2faces.app", "--port", "0", "--faces", faces, cwd=ROOT)
    )
    assert again.face()["state"] == "training" and left(faces) == [".git", "anna"]
    again.face(until=lambda face: face["progress"]["text"] == "training the refiner")
    assert "regressor: done" in (faces / "anna" / LOG).read_text().rpartition("starting")[2]
    assert again.ask("/api/faces/anna/start", b"")[1]["error"] == "anna is worked at already"
    with concurrent.futures.ThreadPoolExecutor() as pool:
        stopped = pool.submit(again.ask, "/api/faces/anna/stop", b"")
        again.face(until=lambda face: face["state"] == "stopped")
        status, answer = again.ask("/api/faces/anna/start", b"")  # too early, or just in time
        assert status == 200 or "still stopping" in answer["error"]
        stopped.result()
    face = again.ask("/api/faces/anna/stop", b"")[1]
    assert face["state"] == "stopped" and of_worker(faces) is None
    assert again.ask("/api/faces/anna/start", b"")[1]["state"] == "training"  # and once more
    again.face(until=lambda face: not face["place"])
    again.ask("/api/faces/anna", method="DELETE")
    assert left(faces) == [".git"] and of_worker(faces) is None


@pytest.mark.parametrize("on_interrupt", [signal.SIG_DFL, signal.SIG_IGN])
def test_the_process_ends_with_the_server(tmp_path, on_interrupt):
    (tmp_path / "about.json").write_text("{}")
    with exclusive(tmp_path, "held"):  # as by the process before, for which it waits
        process = subprocess.Popen(
            [sys.executable, "-m", "audio2faces.app.train_worker", tmp_path, "prepare"],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            preexec_fn=lambda: signal.signal(signal.SIGINT, on_interrupt),
        )
        process.communicate(timeout=60)
    assert process.returncode == 130


def test_a_full_disk_refuses_an_upload(started, faces):
    server = started(before=lambda: resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000)))
    status, answer = server.learn(SHORT)
    assert status == 507 and "cannot store the file" in answer["error"]
    assert left(faces) == [] and server.ask("/api/faces")[1] == {"faces": []}


def test_why_a_process_failed(tmp_path, monkeypatch):
    folder = tmp_path / "anna"
    folder.mkdir()
    (folder / LOG).write_text(f"training: 1/2 steps, 1.0/s\nerror: {folder}/data: no clip\n\n")
    assert trainings._why(folder, 1) == "no clip"
    (folder / LOG).write_text(
        f"skipped: {folder}/video.mp4: no face\nerror: none of the 1 sources gave a clip; above\n"
    )
    assert trainings._why(folder, 1) == "no face"
    (folder / LOG).write_text("Segmentation fault\n")
    assert "status -11" in trainings._why(folder, -11)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: namedtuple("Usage", "free")(1000))
    assert "no space left" in trainings._why(folder, 1)


def test_progress_is_read_from_a_line():
    line = "training the refiner: 150/600 steps, 5.1/s, 01:28 left (03:30 left in total), error 0.1"
    assert progress_of(line) == {"text": "training the refiner", "share": 0.25, "left": "03:30"}
    assert progress_of("video prepared: 6/24 seconds, 3.3/s, 00:05 left")["left"] == "00:05"
    assert progress_of("evaluating: 0/0 frames, 0.0/s")["share"] is None
    assert progress_of("loading Keras") == {"text": None, "share": None, "left": None}


async def chunks(content):
    yield content


def test_faces_that_cannot_be_kept_leave_nothing(tmp_path, monkeypatch):
    async def scene():
        kept = Trainings(Limits(faces=1), tmp_path / "faces", {})
        await kept.receive(chunks(b"video"), "anna", "a.mp4", 64, "consent")
        with pytest.raises(FullError, match="There are 1 faces already"):
            await kept.receive(chunks(b"video"), "bob", "a.mp4", 64, "consent")
        kept.limits = Limits()

        def full(*_):
            raise OSError(errno.ENOSPC, "No space left on device")

        monkeypatch.setattr(trainings, "write_json", full)
        with pytest.raises(OSError, match="No space"):
            await kept.receive(chunks(b"video"), "bob", "a.mp4", 64, "consent")
        kept.faces["anna"].enter("stopped")  # goes on without the disk
        assert kept.faces["anna"].state == "stopped" and left(tmp_path / "faces") == ["anna"]
        kept.close()

    asyncio.run(scene())


def test_a_face_that_is_done_is_offered_again(tmp_path):
    folder = tmp_path / "faces" / "anna"
    (folder / "runs" / "anna").mkdir(parents=True)
    about = {"video": "video.mp4", "size": 64, "licence": "", "steps": None, "state": "done", "message": ""}
    (folder / "about.json").write_text(json.dumps(about))
    (folder.parent / "damaged").mkdir()
    (folder.parent / "damaged" / "about.json").write_text("{")
    (folder / "runs" / "anna" / "evaluation.json").write_text(json.dumps({"verdict": {"model": "It follows."}}))
    (folder / "runs" / "anna" / "model").mkdir()
    (folder / "runs" / "anna" / "model" / "config.json").write_text("{}")
    models = {}
    kept = Trainings(Limits(), folder.parent, models)
    assert models == {"anna": folder / "runs" / "anna" / "model"} and list(kept.faces) == ["anna"]
    assert kept.faces["anna"].described()["verdict"] == "It follows." and kept.queue == []
    with pytest.raises(InputError, match="anna is trained already"):
        kept.start(kept.faces["anna"])
    kept.close()
    with pytest.raises(InputError, match="another model is named anna"):
        Trainings(Limits(), folder.parent, {"anna": tmp_path / "other"})
    shutil.rmtree(folder / "runs")
    kept, models = Trainings(Limits(), folder.parent, {}), {}
    assert kept.faces["anna"].state == "failed" and not models
    kept.close()


def test_the_newest_picture_is_shown(tmp_path):
    face = Training(tmp_path, {"state": "training", "message": "", "size": 64})
    assert face.picture("faces") is None and face.described()["pictures"]["faces"] == 0
    for time, place in ((2, "regressor/samples/10.png"), (4, "refiner/samples/5.png"), (3, "refiner/samples/9.png")):
        path = tmp_path / "runs" / "x" / place
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"")
        os.utime(path, (time, time))
    assert face.picture("faces").name == "5.png" and face.described()["pictures"]["faces"] == 4_000_000_000
