"""What computing each MFCC row once is worth: python -m benchmarks.audio_maps.

Prints, for each preset, the maps/s of one library call per window and of ours, and their ratio (paired rounds in turn).
"""

import statistics
import time
from pathlib import Path

import numpy as np
from python_speech_features import mfcc

from preprocessing.audio_features import FEATURE_PRESETS, WINDOWS, frame_centres, pre_emphasise, speech_maps
from preprocessing.media import read_speech

SPEECH = Path(__file__).parent.parent / "samples" / "speech.wav"
ROUNDS = 7


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
    """Wall time of a call."""
    began = time.monotonic()
    function(*arguments)
    return time.monotonic() - began


def main():
    for name, settings in FEATURE_PRESETS.items():
        speech = np.tile(read_speech(SPEECH, settings.sample_rate), 10)
        times = np.arange(round(25 * len(speech) / settings.sample_rate)) / 25
        pairs = [
            (seconds_of(per_window, speech, times, settings), seconds_of(speech_maps, speech, times, settings))
            for _ in range(ROUNDS)
        ]
        ratio = statistics.median(theirs / ours for theirs, ours in pairs)
        theirs, ours = (len(times) / statistics.median(column) for column in zip(*pairs, strict=True))
        print(f"{name}: {theirs:.0f} maps/s one call per window, {ours:.0f} maps/s computed once: {ratio:.1f} x")


if __name__ == "__main__":
    main()
