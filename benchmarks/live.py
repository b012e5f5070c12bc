"""A minute of speech to the page's live face in real time: frames that came, and how long after their moment.

Starts the server, sends 20 ms of sound every 20 ms as the page's microphone does, and notes when each frame arrives.
The delay of a frame counts from its own moment: look-ahead, waiting for the rest of 20 ms, computing, way.
"""

import argparse
import asyncio
import json
import socket
import subprocess
import sys
import time

import numpy as np

from audio2faces.live import HEADER
from preprocessing.media import read_speech
from preprocessing.program import program

STEP = 320  # samples
RATE = 16000
ALLOWED = 0.35  # seconds


@program
def main():
    """Talks to the server and prints what came back."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.live", description=__doc__)
    parser.add_argument("--model", default="grid-s1-128", help="name of a published one (default: grid-s1-128)")
    parser.add_argument("--speech", default="samples/speech.wav", metavar="FILE", help="is repeated")
    parser.add_argument("--seconds", type=float, default=60.0, help="default: 60")
    arguments = parser.parse_args()
    samples = np.resize(read_speech(arguments.speech), int(arguments.seconds * RATE)).astype("<f4")
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    command = [sys.executable, "-m", "audio2faces.app", "--port", str(port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
        server.stdout.readline()
        about, arrivals, computing = asyncio.run(_talk(f"ws://127.0.0.1:{port}/live?model={arguments.model}", samples))
        server.terminate()
    expected = int(np.ceil((len(samples) / RATE - about["look_ahead"]) * about["frame_rate"]))
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
            heard = (first + STEP) / RATE  # when the last of these samples has been spoken
            await asyncio.sleep(max(0, begun + heard - time.monotonic()))
            await live.send(samples[first : first + STEP].tobytes())
        await asyncio.sleep(2)
        listening.cancel()
    return about, arrivals, computing


if __name__ == "__main__":
    sys.exit(main())
