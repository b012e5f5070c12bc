"""Training pairs (MFCC map, motion of the face) of a split, and the face that motion is added to."""

from functools import cached_property

import cv2
import numpy as np

from measures.collapse import sharpness
from media.pixels import to_signed
from preprocessing.faces.alignment import mouth_slices
from preprocessing.speech.audio_features import speech_maps
from preprocessing.speech.augmentation import AugmentationSettings, augment, noise
from runtime.program import progress, with_progress
from training.frames import FrameSet, clip_mean

NEAR = 10  # one in so many quiet frames has a mouth like the others
REST_FRAMES = 5  # of a clip, its quietest, show the face at rest


class SmallerClip:
    """A clip of a dataset with smaller faces, which are kept in memory.

    Args:
        clip: `preprocessing.dataset.Clip`.
        size: side of the smaller faces in pixels.
    """

    def __init__(self, clip, size):
        self._clip, self._size = clip, size
        self.name, self.folder, self.entry, self.times, self.speech = (
            clip.name, clip.folder, clip.entry, clip.times, clip.speech,
        )  # fmt: skip

    @cached_property
    def faces(self):
        """uint8 RGB [shape=(frames, size, size, 3)]."""
        return smaller(self._clip.faces, self._size)


def smaller(faces, size):
    """Faces [shape=(n, larger, larger, 3)] averaged over areas to `size` pixels; as they are, if they have that."""
    if faces.shape[1] == size:
        return faces
    return np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])


class MotionSet(FrameSet):
    """All frames of some clips as motion: the face less the mean face of its clip.

    Args:
        clips: list of `preprocessing.dataset.Clip`.
        config: `RegressorConfig`; faces larger than its motion are made smaller first.

    Attributes:
        clip_means: mean face of each clip in [-1, 1] [shape=(clips, size, size, 3)].
    """

    def __init__(self, clips, config):
        if clips[0].faces.shape[1] != config.motion_size:
            clips = [SmallerClip(clip, config.motion_size) for clip in clips]
        super().__init__(clips, config.feature_settings)
        means = []
        for clip in with_progress(clips, "clip", "reading faces"):
            means.append(to_signed(clip_mean(clip.faces)))
        self.clip_means = np.stack(means)

    def motion(self, indices):
        """Faces less their clip's mean face: float32 in [-2, 2] [shape=(len(indices), size, size, 3)]."""
        return to_signed(self.faces(indices)) - self.clip_means[self.clip_of[indices]]

    def quietest(self, count):
        """The quietest frames of each clip [shape=(clips, count)], fewer in a shorter clip repeated."""
        quietest = []
        for first, of_clip in zip(self._first_of[:-1], self.maps, strict=True):
            order = np.argsort(of_clip[:, :, 0].mean(axis=1), kind="stable")
            quietest.append(first + np.resize(order[:count], count))
        return np.stack(quietest)

    @cached_property
    def rest(self):
        """Motion of each clip at rest, the mean of its quietest frames [shape=(clips, size, size, 3)]."""
        return np.stack([self.motion(of_clip).mean(axis=0) for of_clip in self.quietest(REST_FRAMES)])


class Speech:
    """What the regressor hears of training frames: as it was recorded, changed, or noise alone.

    Which of them a frame hears in a step is a function of seed and step.

    Args:
        frames: `MotionSet` of the training clips.
        config: `RegressorConfig`.
        standardise: function from raw maps to what the network hears.
    """

    def __init__(self, frames, config, standardise):
        self.config, self.frames = config, frames
        self.recorded = np.concatenate([standardise(of_clip) for of_clip in frames.maps])
        self.changed = np.empty((config.versions, *self.recorded.shape), np.float16)
        self.unvoiced = np.empty((0, *self.recorded.shape[1:]), np.float32)
        features = config.feature_settings
        if config.versions:
            with progress(config.versions * len(frames.clips), "clip", "changing speech") as bar:
                for version in range(config.versions):
                    first = 0
                    for place, clip in enumerate(frames.clips):
                        generator = np.random.default_rng((config.seed, version, place))
                        samples = clip.speech(features.sample_rate)
                        samples, factor = augment(samples, features.sample_rate, AugmentationSettings(), generator)
                        maps = standardise(speech_maps(samples, clip.times / factor, features))
                        self.changed[version, first : first + len(maps)] = maps
                        first += len(maps)
                        bar.update(1)
        if config.unvoiced:
            self.unvoiced = standardise(unvoiced_maps(features, np.random.default_rng(config.seed)))

    def __call__(self, indices, step):
        """Maps of frames, and which of them are unvoiced: [shape=(n, rows, coefficients)], bool [shape=(n,)]."""
        config, generator = self.config, np.random.default_rng((self.config.seed, step))
        maps = self.recorded[indices]
        if config.versions:
            changed = generator.random(len(indices)) < config.changed
            versions = generator.integers(config.versions, size=len(indices))
            maps = np.where(changed[:, None, None], self.changed[versions, indices].astype(np.float32), maps)
        unvoiced = generator.random(len(indices)) < config.unvoiced
        if config.unvoiced:
            maps[unvoiced] = self.unvoiced[generator.integers(len(self.unvoiced), size=unvoiced.sum())]
        return maps, unvoiced


def unvoiced_maps(features, generator, stretches=200, seconds=2.0, loudest=-10, softest=-70):
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
    with progress(stretches, "part", "noise and music") as bar:
        for _ in range(stretches):
            level = 10 ** (generator.uniform(softest, loudest) / 20)
            maps.append(speech_maps(level * noise(count, features.sample_rate, generator), times, features))
            bar.update(1)
    return np.concatenate(maps)


def choose_reference(frames, clips):
    """A real face of the speaker at rest: the sharpest of the quiet frames whose mouth is most like that of the others.

    Sharpness is judged in full size: what is sharp there may not be among smaller faces, and the other way round.

    Args:
        frames: `MotionSet` of the training clips.
        clips: the same clips in full size.

    Returns:
        index of that frame.
    """
    quietest = frames.quietest(REST_FRAMES).ravel()
    faces = frames.faces(quietest)
    rows, columns = mouth_slices(faces.shape[1])
    mouths = to_signed(faces[:, rows, columns])
    distances = np.square(mouths - mouths.mean(axis=0)).sum(axis=(1, 2, 3))
    near = quietest[np.argsort(distances, kind="stable")[: -(-len(quietest) // NEAR)]]

    def sharpness_of(frame):
        clip, number = frames.place(frame)
        return sharpness(clips[clip].faces[number][None])

    return int(max(near, key=sharpness_of))
