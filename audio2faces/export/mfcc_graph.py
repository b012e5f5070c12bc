"""MFCC maps in a TensorFlow graph, with the library's filters, cosines and lifter as constants."""

from typing import Any

import numpy as np
import tensorflow as tf

from media.sound import LARGEST, LONGEST_BRIDGE
from preprocessing.speech.audio_features import (
    CLIPPING,
    PRE_EMPHASIS,
    FeatureSettings,
    FeatureStatistics,
    mfcc_constants,
)


class SpeechMaps:
    """MFCC maps in a graph, as `preprocessing.speech.audio_features` computes them: in float64, like there.

    Quiet sound has logarithms that float32 does not tell apart.

    Args:
        features: `FeatureSettings`.
        statistics: `FeatureStatistics`, or None where the networks take raw maps.
    """

    def __init__(self, features: FeatureSettings, statistics: FeatureStatistics | None) -> None:
        self.features, self.statistics = features, statistics
        self.window, self.filters, self.cosines = mfcc_constants(features)

    def __call__(self, samples: Any, spoken: Any, centres: Any) -> Any:
        """Standardised maps of one stretch of speech: float32 [frames, rows, coefficients].

        Args:
            samples: float32 [n], in [-1, 1]; invalid ones are replaced, as by `sound.SoundRepair`.
            spoken: which of them belong to the speech, bool [n]; around it is silence.
            centres: index into `samples` of the middle of each map, int32 [frames]; may lie outside.
        """
        features, silence = self.features, np.float64(0)
        samples = self._repaired(tf.where(spoken, tf.cast(samples, tf.float64), silence))
        emphasised = tf.where(spoken, samples - PRE_EMPHASIS * tf.pad(samples, [[1, 0]])[:-1], silence)
        starts = centres[:, None] - features.left_context + features.hop_length * tf.range(features.rows)
        unique, row_of = tf.unique(tf.reshape(starts, [-1]))  # neighbouring maps share most of their rows
        places = unique[:, None] + tf.range(features.frame_length)
        silent = (places < 0) | (places >= tf.size(samples))
        frames = tf.where(silent, silence, tf.gather(emphasised, tf.where(silent, 0, places)))
        spectrum = tf.signal.rfft(frames * self.window, [features.n_fft])
        energies = (tf.math.real(spectrum) ** 2 + tf.math.imag(spectrum) ** 2) @ self.filters
        energies = tf.where(energies == 0, np.finfo(float).eps, energies)
        rows = (tf.math.log(energies) @ self.cosines)[:, features.dropped :]
        return self.standardise(tf.reshape(tf.gather(rows, row_of), [-1, features.rows, features.coefficients]))

    def _repaired(self, samples: Any) -> Any:
        """Samples in [-1, 1] without those that are not finite or far beyond, float64 [n]."""
        usable = tf.abs(samples) <= LARGEST  # of NaN, every comparison is false
        longest = round(LONGEST_BRIDGE * self.features.sample_rate)

        def bridged():
            count = tf.size(samples)
            places = tf.range(count)
            known = tf.concat([[-1], places[usable], [count + 2 * longest]], 0)
            levels = tf.concat([[0], samples[usable], [0]], 0)
            after = tf.searchsorted(known, places)
            left, right = tf.gather(known, after - 1), tf.gather(known, after)
            start, end = tf.gather(levels, after - 1), tf.gather(levels, after)
            since, until, gap = (tf.cast(each, tf.float64) for each in (places - left, right - places, right - left))
            line = start + (end - start) * since / gap
            fading = start * tf.maximum(1 - since / longest, 0) + end * tf.maximum(1 - until / longest, 0)
            return tf.where(usable, samples, tf.where(gap - 1 <= longest, line, fading))

        return tf.clip_by_value(tf.cond(tf.reduce_all(usable), lambda: samples, bridged), -1, 1)

    def standardise(self, maps: Any) -> Any:
        """Raw maps as the networks take them, float32 of the same shape; NaN becomes the mean."""
        if self.statistics is not None:
            kind = maps.dtype.as_numpy_dtype
            maps = (maps - kind(self.statistics.mean)) / kind(self.statistics.deviation)
            maps = tf.clip_by_value(maps, kind(-CLIPPING), kind(CLIPPING))
        return tf.cast(tf.where(tf.math.is_nan(maps), tf.zeros_like(maps), maps), tf.float32)
