"""How fast and how small generation is: python -m benchmarks.generation [--model MODEL] [--minutes 10].

Prints the time of generate.py on a short wav as a ratio to `python -c "import tensorflow"` (paired runs in turn), its
frames/s and peak memory on a long wav, and the networks' frames/s and time for a single frame. It takes two minutes.
"""

import argparse
import re
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from audio2faces.published import DEFAULT_MODEL, find_model
from media.reading import SPEECH_RATE, read_speech
from media.writing import write_wav
from runtime.backend import import_keras
from runtime.program import ArgumentParser, program

ROOT = Path(__file__).parent.parent
SPEECH = ROOT / "samples" / "speech.wav"


def seconds_of(*command):
    """Wall time of a command in seconds, and what it printed."""
    started = time.monotonic()
    done = subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, check=True, capture_output=True, text=True)
    return time.monotonic() - started, done.stdout


def batch_seconds(folder, batch, rounds=20):
    """Time from maps to faces, networks and all, for so many frames at once: the median of the rounds."""
    import_keras()
    import began.networks.inference
    from audio2faces.trained.face import load_model

    began.networks.inference.BATCH = batch
    model = load_model(folder)
    maps = np.random.default_rng(0).normal(size=(batch, *model.config.speech.map_shape))
    model.faces(maps)
    seconds = []
    for _ in range(rounds):
        start = time.monotonic()
        model.faces(maps)
        seconds.append(time.monotonic() - start)
    return statistics.median(seconds)


@program
def main():
    parser = ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=find_model, default=DEFAULT_MODEL, help="name or folder")
    parser.add_argument("--minutes", type=float, default=10, help="length of the long wav (default: 10)")
    parser.add_argument("--pairs", type=int, default=5, help="paired runs of the short wav (default: 5)")
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        generate = (ROOT / "generate.py", "--model", arguments.model, "--output", f"{folder}/out.mp4", "--overwrite")
        ratios = []
        for _ in range(arguments.pairs):
            ours, _ = seconds_of(*generate, SPEECH)
            theirs, _ = seconds_of("-c", "import tensorflow")
            ratios.append(ours / theirs)
        print(f"3-s wav: {statistics.median(ratios):.2f} x the time of `import tensorflow` "
              f"({min(ratios):.2f} to {max(ratios):.2f}, {arguments.pairs} pairs)")  # fmt: skip

        speech = read_speech(SPEECH)
        repeats = round(arguments.minutes * 60 * SPEECH_RATE / len(speech))
        write_wav(f"{folder}/long.wav", np.tile(speech, repeats), SPEECH_RATE)
        _, printed = seconds_of(*generate, f"{folder}/long.wav")
        rate = re.search(r"\((\d+) frames/s\)", printed).group(1)
        peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
        print(f"{arguments.minutes:g}-minute wav: {rate} frames/s from sound to mp4, peak memory {peak:.0f} MB")
    print(f"networks alone: {64 / batch_seconds(arguments.model, 64):.0f} frames/s in batches of 64")
    print(f"a frame by itself, as in a stream: {1000 * batch_seconds(arguments.model, 1):.1f} ms from its map on")


if __name__ == "__main__":
    sys.exit(main())
