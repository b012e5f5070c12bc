"""The page's server in a process of its own, and what a browser would ask it."""

import json
import os
import signal
import socket
import subprocess
import sys
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

from .conftest import ROOT


class Server:
    """A server in a process of its own, and what a browser would ask it."""

    def __init__(self, scratch, *arguments, before=None):
        """`before` is called in the process before the server starts."""
        faces = () if "--faces" in arguments else ("--faces", scratch.with_name(f"{scratch.name}-faces"))
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        self.scratch = scratch
        command = [sys.executable, "-m", "audio2faces.app", "--port", str(port), *map(str, (*arguments, *faces))]
        self.process = subprocess.Popen(
            command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "TMPDIR": str(scratch)}, start_new_session=True, preexec_fn=before,
        )  # fmt: skip
        self.line = self.process.stdout.readline()
        self.address = f"http://127.0.0.1:{port}"

    def ask(self, path, body=None, method=None, **headers):
        """Status and answer: JSON as it is, bytes of anything else."""
        request = urllib.request.Request(self.address + path, body, headers, method=method)
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
        state = {"version": ""}
        while state.get("state") not in ("done", "failed"):
            state = self.ask(f"/api/jobs/{key}?seen={state['version']}")[1]
        return state

    def learn(self, content, name="anna", **given):
        """Uploads a video to learn a face from; gives status and answer."""
        given = {"name": name, "file": "take.mp4", "size": 64, "consent": "yes", **given}
        return self.ask(f"/api/faces?{urllib.parse.urlencode(given)}", content)

    def face(self, name="anna", until=None):
        """The state of a face, when `until` holds for it; by default as it is now."""
        while True:
            (face,) = [face for face in self.ask("/api/faces")[1]["faces"] if face["name"] == name]
            if until is None or until(face):
                return face

    def stored(self):
        """Names of the files that it keeps."""
        (folder,) = self.scratch.iterdir()
        return sorted(path.name for path in folder.iterdir())

    def worker(self):
        """Process number of the one that makes videos."""
        children = Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()
        (worker,) = (pid for pid in children if "spawn_main" in Path(f"/proc/{pid}/cmdline").read_text())
        return int(worker)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self.end()

    def end(self):
        """Ends it and its workers as Ctrl-C in a terminal does, and gives what it wrote to its log."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGINT)
        log = self.process.communicate(timeout=60)[1]
        assert "KeyboardInterrupt" not in log, log
        left = [path.relative_to(self.scratch) for path in self.scratch.rglob("*")]
        assert not left, left
        return log
