"""A minute of speech to the page's live face in real time: frames that came, and how long after their moment.

Starts the server, sends 20 ms of sound every 20 ms as the page's microphone does, and notes when each frame arrives.
The delay of a frame counts from its own moment: look-ahead, waiting for the rest of 20 ms, computing, way.

--browser lets the page itself do so in headless Chromium, which hears the speech in place of a microphone, and prints
what the page shows: the delay of the picture, and how far it is from the sound, which is delayed with it.
"""

import asyncio
import json
import shutil
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np

from audio2faces.app.live import HEADER, SOUND_HEADER
from media.reading import SPEECH_RATE, read_speech
from runtime.program import ArgumentParser, program

STEP = 320  # samples
ALLOWED = 0.35  # seconds
FLAGS = ("headless=new", "no-sandbox", "disable-gpu", "no-first-run", "disable-background-networking",
         "use-fake-device-for-media-stream", "use-fake-ui-for-media-stream")  # fmt: skip


@program
def main():
    """Talks to the server and prints what came back."""
    parser = ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--model", default="grid-s1-128", help="name of a published one (default: grid-s1-128)")
    parser.add_argument("--speech", default="samples/speech.wav", metavar="FILE", help="is repeated")
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    parser.add_argument("--browser", action="store_true", help="measure in the page (needs chromedriver and selenium)")
    arguments = parser.parse_args()
    samples = np.resize(read_speech(arguments.speech), int(arguments.seconds * SPEECH_RATE)).astype("<f4")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "audio2faces.app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        try:
            if arguments.browser:
                return _look(f"http://127.0.0.1:{port}", arguments)
            url = f"ws://127.0.0.1:{port}/live?model={arguments.model}&rate={SPEECH_RATE}"
            about, arrivals, computing = asyncio.run(_talk(url, samples))
        finally:
            server.terminate()
    expected = int(np.ceil((len(samples) / SPEECH_RATE - about["look_ahead"]) * about["frame_rate"]))
    delays = np.array([arrived - number / about["frame_rate"] for number, arrived in arrivals])
    in_order = [number for number, _ in arrivals] == list(range(len(arrivals)))
    print(f"{arguments.model}: {len(arrivals)} of {expected} frames in {arguments.seconds:g} s, in order: {in_order}")
    print(f"delay in ms: median {1000 * np.median(delays):.0f}, 99 % {1000 * np.quantile(delays, 0.99):.0f}, "
          f"most {1000 * delays.max():.0f}; look-ahead {1000 * about['look_ahead']:.1f}")  # fmt: skip
    print(f"computing in ms: median {np.median(computing):.0f}, most {max(computing):.0f}")
    print(f"within {1000 * ALLOWED:.0f} ms: {np.mean(delays <= ALLOWED):.1%}")


async def _talk(url, samples):
    """Sends samples in real time; (what the server says of the model, (number, seconds) of each frame, computing)."""
    from websockets.asyncio.client import connect

    arrivals, computing = [], []
    async with connect(url) as live:
        about = json.loads(await live.recv())
        begun = time.monotonic()

        async def listen():
            async for frame in live:
                number, took = HEADER.unpack_from(frame)
                arrivals.append((number, time.monotonic() - begun))
                computing.append(took)

        listening = asyncio.create_task(listen())
        for first in range(0, len(samples), STEP):
            heard = (first + STEP) / SPEECH_RATE  # when the last of these samples has been spoken
            await asyncio.sleep(max(0, begun + heard - time.monotonic()))
            await live.send(SOUND_HEADER.pack(first) + samples[first : first + STEP].tobytes())
        await asyncio.sleep(2)
        listening.cancel()
    return about, arrivals, computing


def _look(url, arguments):
    """Lets the page speak live and prints what it notes."""
    from selenium import webdriver
    from selenium.webdriver.common.by import By

    options = webdriver.ChromeOptions()
    for flag in (*FLAGS, f"use-file-for-fake-audio-capture={Path(arguments.speech).resolve()}"):
        options.add_argument(f"--{flag}")
    browser = webdriver.Chrome(options, webdriver.ChromeService(shutil.which("chromedriver")))
    try:
        browser.get(url)
        while not browser.execute_script("return document.getElementById('model').length"):
            time.sleep(0.1)
        browser.execute_script("document.getElementById('model').value = arguments[0]", arguments.model)
        browser.find_element(By.ID, "live").click()
        stats, offsets, delays = {"frames": 0}, [], []
        while not stats or not stats["frames"]:
            time.sleep(0.1)
            stats = browser.execute_script("return window.liveStats")
        begun = time.monotonic()
        while time.monotonic() < begun + arguments.seconds:
            time.sleep(1)
            stats = browser.execute_script("return window.liveStats")
            offsets += stats["offsets"][-25:]
            delays.append(stats["delay"])
    finally:
        browser.quit()
    print(f"{arguments.model} in the page: {stats['frames']} of {stats['expected']} frames, {stats['late']} not shown")
    print(f"shown after, in ms: median {1000 * np.median(delays):.0f}, most {1000 * max(delays):.0f}")
    print(f"picture after sound, in ms: from {1000 * min(offsets):.0f} to {1000 * max(offsets):.0f}, "
          f"mean {1000 * np.mean(offsets):.0f}")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
