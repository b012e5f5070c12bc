"""Speech inputs of a network in training: as recorded, augmented, or noise alone."""

from collections.abc import Callable
from functools import lru_cache

import numpy as np

from preprocessing.speech.audio_features import FeatureSettings, speech_maps
from preprocessing.speech.augmentation import AugmentationSettings, augment, noise
from runtime.progress import progress
from training.frames import FrameSet

CHANGED = 0.5  # share of frames that get a changed version, where there are some
NONSPEECH = 0.05  # share of frames that then get noise or silence and are to show the face at rest


class TrainingSpeech:
    """A network's input for training frames: speech as it was recorded, changed, or noise alone.

    Which of them a frame gets in a step is a function of seed and step.

    Args:
        frames: of the training clips.
        features: of their maps.
        versions: of each clip's speech in other rooms, microphones and voices; 0: as it is alone.
        standardise: function from raw maps to the network's input.
        seed: of all that is drawn.
    """

    def __init__(
        self,
        frames: FrameSet,
        features: FeatureSettings,
        versions: int,
        standardise: Callable[[np.ndarray], np.ndarray],
        seed: int = 0,
    ) -> None:
        self.versions, self.seed = versions, seed
        self.recorded = frames.standardised(standardise)
        self.changed = np.empty((versions, *self.recorded.shape), np.float16)
        if versions:
            with progress(versions * len(frames.clips), "clip", "augmenting speech") as bar:
                for version in range(versions):
                    first = 0
                    for place, clip in enumerate(frames.clips):
                        generator = np.random.default_rng((seed, version, place))
                        samples = clip.speech(features.sample_rate)
                        samples, factor = augment(samples, features.sample_rate, AugmentationSettings(), generator)
                        maps = standardise(speech_maps(samples, clip.times / factor, features))
                        self.changed[version, first : first + len(maps)] = maps
                        first += len(maps)
                        bar.update(1)
            self.nonspeech = standardise(nonspeech_maps(features, seed))

    def __call__(self, indices: np.ndarray, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Maps of frames, and which of them are no speech: [shape=(n, rows, coefficients)], bool [shape=(n,)]."""
        count, generator = len(indices), np.random.default_rng((self.seed, step))
        maps = self.recorded[indices]
        if not self.versions:
            return maps, np.zeros(count, bool)
        changed = generator.random(count) < CHANGED
        versions = generator.integers(self.versions, size=count)
        maps = np.where(changed[:, None, None], self.changed[versions, indices].astype(np.float32), maps)
        nonspeech = generator.random(count) < NONSPEECH
        maps[nonspeech] = self.nonspeech[generator.integers(len(self.nonspeech), size=nonspeech.sum())]
        return maps, nonspeech


@lru_cache(1)
def nonspeech_maps(
    features: FeatureSettings,
    seed: int,
    stretches: int = 200,
    seconds: float = 2.0,
    loudest: float = -10,
    softest: float = -70,
) -> np.ndarray:
    """Raw maps of stretches of noise, hum and music, and of digital silence [shape=(n, rows, coefficients)].

    Args:
        features: `FeatureSettings`.
        seed: of all that is drawn.
        stretches: of sound.
        seconds: of each.
        loudest: in dB below full scale.
        softest: the same.
    """
    generator = np.random.default_rng(seed)
    count = int(seconds * features.sample_rate)
    times = np.linspace(0.3, seconds - 0.3, 12)
    maps = [speech_maps(np.zeros(count), times[:4], features)]
    with progress(stretches, "part", "synthesising noise and music") as bar:
        for _ in range(stretches):
            level = 10 ** (generator.uniform(softest, loudest) / 20)
            maps.append(speech_maps(level * noise(count, features.sample_rate, generator), times, features))
            bar.update(1)
    return np.concatenate(maps)
