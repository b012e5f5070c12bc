"""Speech inputs of the regressor in training: as recorded, augmented, or noise alone."""

from collections.abc import Callable

import numpy as np

from audio2faces.config import RegressorConfig
from preprocessing.speech.audio_features import FeatureSettings, speech_maps
from preprocessing.speech.augmentation import AugmentationSettings, augment, noise
from runtime.program import progress
from training.frames import FrameSet

CHANGED = 0.5  # share of frames that get a changed version, where there are some
UNVOICED = 0.05  # share of frames that then get noise or silence and are to show the face at rest


class Speech:
    """The regressor's input for training frames: speech as it was recorded, changed, or noise alone.

    Which of them a frame gets in a step is a function of seed and step.

    Args:
        frames: of the training clips.
        config: of the regressor.
        standardise: function from raw maps to the network's input.
    """

    def __init__(
        self, frames: FrameSet, config: RegressorConfig, standardise: Callable[[np.ndarray], np.ndarray]
    ) -> None:
        self.config, seed = config, config.training.seed
        self.recorded = frames.standardised(standardise)
        self.changed = np.empty((config.versions, *self.recorded.shape), np.float16)
        features = config.speech.feature_settings
        if config.versions:
            with progress(config.versions * len(frames.clips), "clip", "augmenting speech") as bar:
                for version in range(config.versions):
                    first = 0
                    for place, clip in enumerate(frames.clips):
                        generator = np.random.default_rng((seed, version, place))
                        samples = clip.speech(features.sample_rate)
                        samples, factor = augment(samples, features.sample_rate, AugmentationSettings(), generator)
                        maps = standardise(speech_maps(samples, clip.times / factor, features))
                        self.changed[version, first : first + len(maps)] = maps
                        first += len(maps)
                        bar.update(1)
            self.unvoiced = standardise(unvoiced_maps(features, np.random.default_rng(seed)))

    def __call__(self, indices: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Maps of frames, and which of them are unvoiced: [shape=(n, rows, coefficients)], bool [shape=(n,)]."""
        config, count = self.config, len(indices)
        generator = np.random.default_rng((config.training.seed, step))
        maps = self.recorded[indices]
        if not config.versions:
            return maps, np.zeros(count, bool)
        changed = generator.random(count) < CHANGED
        versions = generator.integers(config.versions, size=count)
        maps = np.where(changed[:, None, None], self.changed[versions, indices].astype(np.float32), maps)
        unvoiced = generator.random(count) < UNVOICED
        maps[unvoiced] = self.unvoiced[generator.integers(len(self.unvoiced), size=unvoiced.sum())]
        return maps, unvoiced


def unvoiced_maps(
    features: FeatureSettings,
    generator: np.random.Generator,
    stretches: int = 200,
    seconds: float = 2.0,
    loudest: float = -10,
    softest: float = -70,
) -> np.ndarray:
    """Raw maps of stretches of noise, hum and music, and of digital silence [shape=(n, rows, coefficients)].

    Args:
        features: `FeatureSettings`.
        generator: NumPy's.
        stretches: of sound.
        seconds: of each.
        loudest: in dB below full scale.
        softest: the same.
    """
    count = int(seconds * features.sample_rate)
    times = np.linspace(0.3, seconds - 0.3, 12)
    maps = [speech_maps(np.zeros(count), times[:4], features)]
    with progress(stretches, "part", "synthesising noise and music") as bar:
        for _ in range(stretches):
            level = 10 ** (generator.uniform(softest, loudest) / 20)
            maps.append(speech_maps(level * noise(count, features.sample_rate, generator), times, features))
            bar.update(1)
    return np.concatenate(maps)
