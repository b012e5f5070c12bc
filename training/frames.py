"""The frames of a split, and which of them a training step sees: a function of the step's number alone."""

from functools import cached_property, lru_cache

import numpy as np

from preprocessing.speech.audio_features import speech_maps
from runtime.program import InputError, with_progress

SHOWN = 12  # frames of a clip, or faces of a row, in pictures
AT_ONCE = 512  # frames that are held in memory when a whole clip is looked at


class FrameSet:
    """All frames of some clips; faces stay on disk.

    Args:
        clips: list of `preprocessing.dataset.Clip`.
        features: `preprocessing.speech.audio_features.FeatureSettings`.
        maps: those of another set of the same clips and features, or None.

    Attributes:
        maps: raw MFCC maps, one array per clip [shape=(frames, rows, coefficients)].
        clip_of: index of the clip of each frame [shape=(len(self),)].

    Raises:
        InputError: a map holds NaN or infinity.
    """

    def __init__(self, clips, features, maps=None):
        self.clips = clips
        self.maps = _maps_of(clips, features) if maps is None else maps
        frames = [len(clip.faces) for clip in clips]
        self.clip_of = np.repeat(np.arange(len(clips)), frames)
        self._first_of = np.concatenate([[0], np.cumsum(frames)])

    def __len__(self):
        return len(self.clip_of)

    def place(self, index):
        """Where a frame is: (index of its clip, number of the frame in it)."""
        clip = self.clip_of[index]
        return clip, index - self._first_of[clip]

    def faces(self, indices):
        """uint8 RGB faces of some frames [shape=(len(indices), size, size, 3)]."""
        faces = np.empty((len(indices), *self.clips[0].faces.shape[1:]), np.uint8)
        for face, (clip, number) in zip(faces, map(self.place, indices), strict=True):
            face[:] = self.clips[clip].faces[number]
        return faces

    @cached_property
    def sequence_of(self):
        """Number of the unbroken sequence of frames that each frame is in; dropped frames end one [shape=(len(self),)].

        Frames of one sequence that lie side by side are neighbours in time.
        """
        numbers = [frame_numbers(clip) for clip in self.clips]
        begins = [np.concatenate([[True], np.diff(of_clip) > 1]) for of_clip in numbers]
        return np.cumsum(np.concatenate(begins)) - 1

    def companions(self, indices, generator):
        """For each frame another of the same clip, any with the same chance (itself among them) [same shape]."""
        first, end = self._first_of[self.clip_of[indices]], self._first_of[self.clip_of[indices] + 1]
        return first + (generator.random(len(indices)) * (end - first)).astype(int)


def _maps_of(clips, features):
    maps = []
    for clip in with_progress(clips, "clip", "features of the speech"):
        maps.append(clip_maps(clip, features))
        if not np.isfinite(maps[-1]).all():
            raise InputError(f"{clip.folder}: its speech gives no finite features; prepare the clip again")
    return maps


def clip_maps(clip, features):
    """Raw MFCC maps of the frames of a clip, of its speech at the rate of the features [shape=(frames, rows, n)]."""
    return speech_maps(clip.speech(features.sample_rate), clip.times, features)


def frame_numbers(clip):
    """Which frame of its video each face of a clip is, counted from the first face: frames that were dropped count.

    Args:
        clip: `preprocessing.dataset.Clip`.

    Returns:
        whole numbers in rising order [shape=(frames,)].
    """
    steps = np.rint(np.diff(clip.times) * clip.entry["fps"]).astype(int)
    return np.concatenate([[0], np.cumsum(np.maximum(steps, 1))])


def clip_mean(faces):
    """The mean over the frames of a clip, of which a part at a time is read: float64 [shape=(size, size, 3)]."""
    parts = (faces[first : first + AT_ONCE] for first in range(0, len(faces), AT_ONCE))
    return sum(part.sum(axis=0, dtype=np.int64) for part in parts) / len(faces)


def shown_moments(count):
    """Which frames of a clip of `count` are shown: SHOWN, evenly over its middle, where it speaks."""
    return np.linspace(0.2 * (count - 1), 0.8 * (count - 1), SHOWN).astype(int)


def batch_indices(count, batch_size, step, seed, shuffled=True):
    """Which frames the batch of a step holds.

    Each epoch runs through all frames once in an order of its own; a batch may end one epoch and begin the next.

    Args:
        count: number of frames.
        batch_size: frames in a batch.
        step: number of the step, from 0.
        seed: of the orders.
        shuffled: False takes the frames as they lie: a batch is a moment of one video.

    Returns:
        indices [shape=(batch_size,)], a function of the arguments alone.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    if not shuffled:
        return positions % count
    epochs = positions // count
    return np.array(
        [_order(count, seed, epoch)[p % count] for epoch, p in zip(epochs.tolist(), positions, strict=True)]
    )


@lru_cache(maxsize=2)
def _order(count, seed, epoch):
    return np.random.default_rng((seed, epoch)).permutation(count)
