"""The page's server under load: many uploads at once, then damaged ones; time, memory, and what is left behind.

Starts the server with the default model, uploads the same speech from many threads at once and waits for all videos;
then uploads damaged files one after the other; then ends it. Memory is the most that each process has held (Linux).
"""

import concurrent.futures
import json
import os
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from pathlib import Path

import numpy as np

from audio2faces.published import DEFAULT_MODEL, SAMPLES
from runtime.program import ArgumentParser, number, program

SPEECH = (SAMPLES / "speech.wav").read_bytes()
VIDEO = (SAMPLES / "bgbu4p.mpg").read_bytes()


@program
def main():
    """Loads the server and prints what became of it."""
    parser = ArgumentParser(prog="python -m benchmarks.page_load", description=__doc__)
    count = number(1, 1000, int)
    parser.add_argument("--uploads", type=count, default=20, help="at once (default: 20)")
    parser.add_argument("--damaged", type=count, default=200, help="one after the other (default: 200)")
    parser.add_argument("--model", default=DEFAULT_MODEL.name, help=f"its name (default: {DEFAULT_MODEL.name})")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "audio2faces.app", "--port", "0"]
        environment = {**os.environ, "TMPDIR": scratch}
        with subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment
        ) as server:
            address = re.search(r"http://[\w.:]+", server.stdout.readline()).group()
            made(address, arguments.model, SPEECH)  # the model is loaded now
            begun = time.monotonic()
            with concurrent.futures.ThreadPoolExecutor(arguments.uploads) as pool:
                waited = list(pool.map(lambda _: made(address, arguments.model, SPEECH), range(arguments.uploads)))
            seconds = time.monotonic() - begun
            states = dict(Counter(state for state, _ in waited))
            first, median = min(s for _, s in waited), statistics.median(s for _, s in waited)
            print(f"{arguments.uploads} uploads at once: {states} in {seconds:.1f} s")
            print(f"the first waited {first:.1f} s, half of them {median:.1f} s or less")
            generator = np.random.default_rng(0)
            states = Counter(made(address, arguments.model, damaged(generator))[0] for _ in range(arguments.damaged))
            print(
                f"{arguments.damaged} damaged uploads: {dict(states)}; afterwards a sound one: "
                f"{made(address, arguments.model, SPEECH)[0]}"
            )
            for name, process in processes(server.pid):
                print(f"most memory of the {name}: {process / 2**30:.2f} GB")
            server.send_signal(signal.SIGINT)
            server.wait()
        print(f"left behind: {len(os.listdir(scratch))} files")


def asked(address, body=None):
    """Status and answer of a request; a status of its own is no error."""
    try:
        with urllib.request.urlopen(urllib.request.Request(address, body)) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def made(address, model, content):
    """What became of the video of an upload, and after how many seconds."""
    begun = time.monotonic()
    status, upload = asked(f"{address}/api/uploads?name=speech", content)
    if status == 200:
        request = json.dumps({"model": model, "speech": upload["key"]}).encode()
        status, job = asked(f"{address}/api/jobs", request)
    if status != 200:
        return f"refused ({status})", time.monotonic() - begun
    state = {"version": ""}
    while state.get("state") not in ("done", "failed"):
        _, state = asked(f"{address}/api/jobs/{job['key']}?seen={state['version']}")
    return state["state"], time.monotonic() - begun


def damaged(generator):
    """A speech or a video with some of its bytes changed, most of them in the header, and its end cut off."""
    content = bytearray(SPEECH if generator.integers(2) else VIDEO)
    for place in [*generator.integers(64, size=6), *generator.integers(len(content), size=100)]:
        content[place] = generator.integers(256)
    return bytes(content[: generator.integers(1, len(content))])


def processes(server):
    """Name and most resident memory in bytes of the server and its worker."""
    children = Path(f"/proc/{server}/task/{server}/children").read_text(encoding="utf-8").split()
    workers = [pid for pid in children if b"spawn_main" in Path(f"/proc/{pid}/cmdline").read_bytes()]
    for name, pid in (("server", server), ("worker", workers[0])):
        status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
        yield name, 1024 * int(re.search(r"VmHWM:\s+(\d+)", status).group(1))


if __name__ == "__main__":
    sys.exit(main())
