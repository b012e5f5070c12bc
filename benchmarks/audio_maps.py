"""What computing each MFCC row once is worth: python -m benchmarks.audio_maps.

For each preset the maps of a minute of speech at 25 frames/s are computed by one library call per window and by ours,
in turn. Prints the maps/s of both and their ratio: medians of the rounds, and the range of the ratio. Time is the
processor's, of all threads together: neither side gains by more cores.
"""

import statistics
import sys
import time
from pathlib import Path

import numpy as np
from python_speech_features import mfcc

from media.reading import read_speech
from preprocessing.speech.audio_features import FEATURE_PRESETS, WINDOWS, frame_centres, pre_emphasise, speech_maps
from runtime.program import ArgumentParser, program

SPEECH = Path(__file__).parent.parent / "samples" / "speech.wav"
FRAME_RATE = 25
SECONDS = 60
ROUNDS = 9


def per_window(speech, times, settings):
    """The maps by one call of the library for each."""
    padded = np.pad(pre_emphasise(speech), settings.span)
    starts = frame_centres(times, settings) - settings.left_context + settings.span
    rate = settings.sample_rate
    return [
        mfcc(
            padded[start : start + settings.span], rate, settings.frame_length / rate, settings.hop_length / rate,
            nfft=settings.n_fft, preemph=0, winfunc=WINDOWS[settings.window],
        )[:, settings.dropped :]
        for start in starts
    ]  # fmt: skip


def seconds_of(function, *arguments):
    """Processor time of a call."""
    started = time.process_time()
    function(*arguments)
    return time.process_time() - started


@program
def main():
    """Prints a line for each preset."""
    ArgumentParser(prog="python -m benchmarks.audio_maps", description=__doc__).parse_args()
    times = np.arange(SECONDS * FRAME_RATE) / FRAME_RATE
    for name, settings in FEATURE_PRESETS.items():
        speech = np.resize(read_speech(SPEECH, settings.sample_rate), SECONDS * settings.sample_rate)
        pairs = [
            (seconds_of(per_window, speech, times, settings), seconds_of(speech_maps, speech, times, settings))
            for _ in range(ROUNDS)
        ]
        ratios = [theirs / ours for theirs, ours in pairs]
        theirs, ours = (len(times) / statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name}: {theirs:.0f} maps/s one call per window, {ours:.0f} maps/s computed once: "
              f"{statistics.median(ratios):.1f} x ({min(ratios):.1f} to {max(ratios):.1f})")  # fmt: skip


if __name__ == "__main__":
    sys.exit(main())
