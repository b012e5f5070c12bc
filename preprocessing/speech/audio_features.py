"""MFCC maps of speech, one for each video frame, centred on the frame's time.

A map equals what `python_speech_features.mfcc` computes from the map's own stretch of the pre-emphasised clip, but each
row is computed only once (neighbouring frames share most of theirs), from the library's filters, cosines and lifter.
"""

from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Self

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from python_speech_features import get_filterbanks, lifter
from scipy.fft import dct

from media.reading import SPEECH_RATE, SPEECH_RATE_2017

PRE_EMPHASIS = 0.97
MEL_FILTERS = 26  # the library's default, as is the lifter
LIFTER = 22
BLOCK = 64  # rows computed at once: they fit in the cache, and OpenBLAS keeps such small products in one thread
CLIPPING = 4.0  # standard deviations: digital silence has a first coefficient of -36, far from all speech
SMALLEST_DEVIATION = 1e-3  # a coefficient that never varies is not blown up


@dataclass(frozen=True)
class FeatureSettings:
    """How maps are computed. The default is the preset "wide": 35 rows, 10 ms apart, of 25 ms each: 0.365 s."""

    sample_rate: int = SPEECH_RATE  # Hz
    frame_length: int = 400  # samples of one row: 25 ms, a few pitch periods
    hop_length: int = 160  # samples between rows: 10 ms
    n_fft: int = 512  # at least frame_length, or the library cuts the frame
    n_mfcc: int = 13  # coefficients computed for a row; the first is the logarithm of the energy
    dropped: int = 0  # so many of the first coefficients are left out
    rows: int = 35
    window: str = "hamming"  # over the samples of a row, or "rectangular", the library's default

    @property
    def coefficients(self) -> int:
        """Coefficients of a row of the map."""
        return self.n_mfcc - self.dropped

    @property
    def span(self) -> int:
        """Samples under one map."""
        return (self.rows - 1) * self.hop_length + self.frame_length

    @property
    def left_context(self) -> int:
        """Samples of the past that a map needs, before the frame's time."""
        return self.span // 2

    @property
    def look_ahead(self) -> int:
        """Samples of the future that a map needs, from the frame's time on."""
        return self.span - self.span // 2


# The 2017 project's maps, from the sound at 44.1 kHz: a window of 36 ms with frames of 2 ms (shorter than a pitch
# period) every 1 ms, the one of 66 ms with frames of 4 ms every 2 ms that its authors meant to add, and the first one
# as their networks in fact saw it, with the second coefficient dropped like the first.
FEATURE_PRESETS = {
    "wide": FeatureSettings(),
    "wider": FeatureSettings(rows=51),  # 0.525 s
    "2017": FeatureSettings(SPEECH_RATE_2017, 88, 44, dropped=1, rows=35, window="rectangular"),
    "2017-networks": FeatureSettings(SPEECH_RATE_2017, 88, 44, dropped=2, rows=35, window="rectangular"),
    "2017-long": FeatureSettings(SPEECH_RATE_2017, 176, 88, dropped=1, rows=32, window="rectangular"),
}
WINDOWS: dict[str, Any] = {"hamming": np.hamming, "rectangular": np.ones}


def pre_emphasise(samples: np.ndarray, previous: float = 0.0) -> np.ndarray:
    """y[n] = x[n] - 0.97 x[n - 1], `previous` being the sample before the first [shape=(n,) -> (n,)]."""
    emphasised = np.empty(len(samples))
    emphasised[:1] = previous
    emphasised[1:] = samples[:-1]
    emphasised *= -PRE_EMPHASIS
    emphasised += samples
    return emphasised


def frame_centres(times: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Sample nearest to each time in seconds, as integers [shape=(n,)]."""
    return np.rint(np.asarray(times) * settings.sample_rate).astype(int)


def mfcc_maps(emphasised: np.ndarray, centres: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """The map around each centre; what lies outside the samples counts as silence.

    Args:
        emphasised: pre-emphasised samples [shape=(n,)].
        centres: index into `emphasised` of each map's middle [shape=(maps,)]; may lie outside.
        settings: `FeatureSettings`.

    Returns:
        float64 [shape=(maps, rows, coefficients)].
    """
    centres = np.asarray(centres, int)
    starts = centres[:, None] - settings.left_context + settings.hop_length * np.arange(settings.rows)
    if not starts.size:
        return np.empty((*starts.shape, settings.coefficients))
    first, end = starts.min(), starts.max() + settings.frame_length
    stretch = np.zeros(end - first)
    inside = emphasised[max(first, 0) : max(end, 0)]
    before = max(-first, 0)
    stretch[before : before + len(inside)] = inside
    unique_starts, row_of = np.unique(starts - first, return_inverse=True)
    rows = _mfcc_rows(sliding_window_view(stretch, settings.frame_length), unique_starts, settings)
    return rows[row_of.reshape(starts.shape)]


def _mfcc_rows(frames: np.ndarray, chosen: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """MFCC of the chosen frames, block by block [shape=(len(chosen), coefficients)]."""
    window, filters, cosines = mfcc_constants(settings)
    rows = np.empty((len(chosen), settings.n_mfcc))
    block = np.zeros((BLOCK, settings.n_fft))
    for first in range(0, len(chosen), BLOCK):
        of_block = chosen[first : first + BLOCK]
        padded = block[: len(of_block)]
        np.multiply(frames[of_block], window, out=padded[:, : settings.frame_length])
        parts = np.fft.rfft(padded).view(float)  # real and imaginary in turn
        np.square(parts, out=parts)
        energies = (parts[:, ::2] + parts[:, 1::2]) @ filters
        energies[energies == 0] = np.finfo(float).eps  # the library's guard of the logarithm
        np.matmul(np.log(energies), cosines, out=rows[first : first + BLOCK])
    return rows[:, settings.dropped :]


@lru_cache
def mfcc_constants(settings: Any) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """What MFCC maps are computed with, the library's own, float64.

    Args:
        settings: `FeatureSettings`.

    Returns:
        (window, filters, cosines): over the samples of a row [shape=(frame_length,)]; from power to energies
        [shape=(n_fft / 2 + 1, filters)], the first of which passes all of the power; from their logarithms to
        coefficients, the lifter included [shape=(filters, n_mfcc)].
    """
    mel_filters = get_filterbanks(MEL_FILTERS, settings.n_fft, settings.sample_rate).T
    filters = np.insert(mel_filters, 0, 1, axis=1) / settings.n_fft
    cosines = np.zeros((1 + MEL_FILTERS, settings.n_mfcc))
    cosines[0, 0] = 1
    cosines[1:, 1:] = lifter(dct(np.eye(MEL_FILTERS), type=2, axis=1, norm="ortho"), LIFTER)[:, 1 : settings.n_mfcc]
    return WINDOWS[settings.window](settings.frame_length), filters, cosines


def speech_maps(samples: np.ndarray, times: np.ndarray, settings: FeatureSettings) -> np.ndarray:
    """Maps of a whole clip: samples at the settings' rate, times in seconds -> [shape=(times, rows, coefficients)]."""
    return mfcc_maps(pre_emphasise(samples), frame_centres(times, settings), settings)


@dataclass(frozen=True)
class FeatureStatistics:
    """Mean and standard deviation of each coefficient over the training speech [shape=(n_mfcc,) each]."""

    mean: np.ndarray
    deviation: np.ndarray

    @classmethod
    def fit(cls, maps: list[np.ndarray]) -> Self:
        """Statistics of an iterable of map arrays [shape=(n, rows, n_mfcc) each]."""
        count, total, squares = 0, np.zeros(()), np.zeros(())
        for of_clip in maps:
            rows = of_clip.reshape(-1, of_clip.shape[-1])
            count += len(rows)
            total = total + rows.sum(axis=0)
            squares = squares + (rows**2).sum(axis=0)
        mean = total / count
        return cls(mean, np.sqrt(np.maximum(squares / count - mean**2, SMALLEST_DEVIATION**2)))

    def standardise(self, maps: np.ndarray, clipping: float = CLIPPING) -> np.ndarray:
        """Maps in units of the standard deviation, clipped to +-clipping, as float32 of the same shape."""
        return np.clip((maps - self.mean) / self.deviation, -clipping, clipping).astype(np.float32)

    def as_json(self) -> dict[str, list[float]]:
        """The statistics as a JSON object."""
        return {"mean": self.mean.tolist(), "deviation": self.deviation.tolist()}

    @classmethod
    def from_json(cls, content: dict[str, list[float]]) -> Self:
        """The inverse of `as_json`."""
        return cls(np.array(content["mean"]), np.array(content["deviation"]))
