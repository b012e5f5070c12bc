"""The frames of a dataset's splits: faces, their motion, and the maps of the speech.

A `FrameStore` opens each split once in a process, whatever is trained on it and measured with it.
"""

from collections.abc import Callable, Sequence
from functools import cached_property, lru_cache
from typing import Any

import cv2
import numpy as np

from media.pixels import to_signed
from preprocessing.dataset import Clip, Dataset
from preprocessing.speech.audio_features import FeatureSettings, speech_maps
from runtime.array_file import ArrayFile
from runtime.errors import InputError
from runtime.progress import with_progress

SHOWN = 12  # frames of a clip, or faces of a row, in pictures
AT_ONCE = 512  # frames that are held in memory when a whole clip is looked at
REST_FRAMES = 5  # of a clip, its quietest, show the face at rest


class FrameStore:
    """The splits of a dataset as frames, each opened once, the maps of its speech computed once.

    Args:
        dataset: `preprocessing.dataset.Dataset`.
    """

    def __init__(self, dataset: Dataset) -> None:
        self.dataset = dataset
        self._sets: dict[tuple[str, FeatureSettings, int], FrameSet] = {}

    def frames(self, split: str, features: FeatureSettings, size: int | None = None) -> "FrameSet":
        """The frames of a split.

        Args:
            split: "train", "validation" or "test".
            features: of the maps.
            size: side of the faces in pixels, no larger than the dataset's; None for the dataset's.

        Raises:
            InputError: the split holds no clip, or a map holds NaN or infinity.
        """
        key = split, features, size or self.dataset.size
        if key not in self._sets:
            same_speech = [frames for known, frames in self._sets.items() if known[:2] == key[:2]]
            maps = same_speech[0].maps if same_speech else None
            self._sets[key] = FrameSet(self.dataset.split(split), features, size, maps)
        return self._sets[key]


class SmallerClip:
    """A clip of a dataset with smaller faces, which are kept in memory.

    Args:
        clip: `preprocessing.dataset.Clip`.
        size: side of the smaller faces in pixels.
    """

    def __init__(self, clip: Clip, size: int) -> None:
        self._clip, self._size = clip, size
        self.name, self.folder, self.entry, self.speech = clip.name, clip.folder, clip.entry, clip.speech

    @property
    def times(self) -> np.ndarray:
        """Time of each face in seconds [shape=(frames,)]."""
        return self._clip.times

    @cached_property
    def faces(self) -> np.ndarray:
        """uint8 RGB [shape=(frames, size, size, 3)]."""
        return smaller(self._clip.faces, self._size)


def smaller(faces: Any, size: int) -> np.ndarray:
    """Faces [shape=(n, larger, larger, 3)] averaged over areas to `size` pixels; as they are, if they have that."""
    if faces.shape[1] == size:
        return faces[:]
    return np.stack([cv2.resize(face, (size, size), interpolation=cv2.INTER_AREA) for face in faces])


class FrameSet:
    """All frames of some clips, in their order; faces in full size stay on disk.

    Args:
        clips: list of `preprocessing.dataset.Clip`.
        features: of the maps.
        size: side of the faces in pixels; None for those of the clips.
        maps: those of another set of the same clips and features, or None.

    Attributes:
        clips: the clips, with faces of that size.
        maps: raw MFCC maps, one array per clip [shape=(frames, rows, coefficients)].
        clip_of: index of the clip of each frame [shape=(len(self),)].

    Raises:
        InputError: a map holds NaN or infinity.
    """

    def __init__(
        self,
        clips: Sequence[Any],
        features: FeatureSettings,
        size: int | None = None,
        maps: list[np.ndarray] | None = None,
    ) -> None:
        if size and clips[0].faces.shape[1] != size:
            clips = [SmallerClip(clip, size) for clip in clips]
        self.clips: Sequence[Clip | SmallerClip] = clips
        self.maps = _maps_of(clips, features) if maps is None else maps
        frames = [len(of_clip) for of_clip in self.maps]
        self.clip_of = np.repeat(np.arange(len(clips)), frames)
        self._first_of = np.concatenate([[0], np.cumsum(frames)])

    def __len__(self) -> int:
        return len(self.clip_of)

    def place(self, index: int) -> tuple[int, int]:
        """Where a frame is: (index of its clip, number of the frame in it)."""
        clip = self.clip_of[index]
        return clip, index - self._first_of[clip]

    def faces(self, indices: np.ndarray) -> np.ndarray:
        """uint8 RGB faces of some frames [shape=(len(indices), size, size, 3)]."""
        faces = np.empty((len(indices), *self.clips[0].faces.shape[1:]), np.uint8)
        for face, (clip, number) in zip(faces, map(self.place, indices), strict=True):
            face[:] = self.clips[clip].faces[number]
        return faces

    def some_faces(self, most: int) -> np.ndarray:
        """At most so many faces, drawn from all with the same chance, in rising order [as `faces`]."""
        return self.faces(np.sort(np.random.default_rng(0).permutation(len(self))[:most]))

    def standardised(self, standardise: Callable[[np.ndarray], np.ndarray]) -> np.ndarray:
        """Maps of all frames as networks take them [shape=(len(self), rows, coefficients)]."""
        return np.concatenate([standardise(of_clip) for of_clip in self.maps])

    @cached_property
    def clip_means(self) -> np.ndarray:
        """Mean face of each clip in [-1, 1] [shape=(clips, size, size, 3)]."""
        means = []
        for clip in with_progress(self.clips, "clip", "reading faces"):
            means.append(to_signed(clip_mean(clip.faces)))
        return np.stack(means)

    def motion(self, indices: np.ndarray) -> np.ndarray:
        """Faces less their clip's mean face: float32 in [-2, 2] [shape=(len(indices), size, size, 3)]."""
        return to_signed(self.faces(indices)) - self.clip_means[self.clip_of[indices]]

    def quietest(self, count: int) -> np.ndarray:
        """The quietest frames of each clip [shape=(clips, count)], fewer in a shorter clip repeated."""
        quietest = []
        for first, of_clip in zip(self._first_of[:-1], self.maps, strict=True):
            order = np.argsort(loudness(of_clip), kind="stable")
            quietest.append(first + np.resize(order[:count], count))
        return np.stack(quietest)

    @cached_property
    def rest(self) -> np.ndarray:
        """Motion of each clip at rest, the mean of its quietest frames [shape=(clips, size, size, 3)]."""
        return np.stack([self.motion(of_clip).mean(axis=0) for of_clip in self.quietest(REST_FRAMES)])

    @cached_property
    def sequence_of(self) -> np.ndarray:
        """Number of the unbroken sequence of frames that each frame is in; dropped frames end one [shape=(len(self),)].

        Frames of one sequence that lie side by side are neighbours in time.
        """
        numbers = [frame_numbers(clip) for clip in self.clips]
        starts = [np.concatenate([[True], np.diff(of_clip) > 1]) for of_clip in numbers]
        return np.cumsum(np.concatenate(starts)) - 1


def _maps_of(clips: Sequence[Clip | SmallerClip], features: FeatureSettings) -> list[np.ndarray]:
    maps = []
    for clip in with_progress(clips, "clip", "speech features"):
        maps.append(clip_maps(clip, features))
        if not np.isfinite(maps[-1]).all():
            raise InputError(f"{clip.folder}: its speech gives no finite features; prepare the clip again")
    return maps


def loudness(maps: np.ndarray) -> np.ndarray:
    """How loud the speech of raw MFCC maps is, by their first coefficient [shape=(n, rows, n_mfcc)] -> [shape=(n,)]."""
    return maps[:, :, 0].mean(axis=1)


def rest_frame(maps: np.ndarray) -> int:
    """Number of the quietest frame of a clip, in which the mouth rests, by its raw MFCC maps."""
    return int(loudness(maps).argmin())


def clip_maps(clip: Clip | SmallerClip, features: FeatureSettings) -> np.ndarray:
    """Raw MFCC maps of the frames of a clip, of its speech at the rate of the features [shape=(frames, rows, n)]."""
    return speech_maps(clip.speech(features.sample_rate), clip.times, features)


def frame_numbers(clip: Clip | SmallerClip) -> np.ndarray:
    """Which frame of its video each face of a clip is, counted from the first face: frames that were dropped count.

    Args:
        clip: `preprocessing.dataset.Clip`.

    Returns:
        whole numbers in rising order [shape=(frames,)].
    """
    steps = np.rint(np.diff(clip.times) * clip.entry["fps"]).astype(int)
    return np.concatenate([[0], np.cumsum(np.maximum(steps, 1))])


def clip_mean(faces: np.ndarray | ArrayFile) -> np.ndarray:
    """The mean over the frames of a clip, of which a part at a time is read: float64 [shape=(size, size, 3)]."""
    parts = (faces[first : first + AT_ONCE] for first in range(0, len(faces), AT_ONCE))
    return sum(part.sum(axis=0, dtype=np.int64) for part in parts) / len(faces)


def shown_moments(count: int, shown: int = SHOWN) -> np.ndarray:
    """Which frames of a clip of `count` are shown, `shown` of them, evenly over its middle, where people speak."""
    return np.linspace(0.2 * (count - 1), 0.8 * (count - 1), shown).round().astype(int)


def batch_indices(count: int, batch_size: int, step: int, seed: int, shuffled: bool = True) -> np.ndarray:
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
def _order(count: int, seed: int, epoch: int) -> np.ndarray:
    return np.random.default_rng((seed, epoch)).permutation(count)
