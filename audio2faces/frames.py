"""Training pairs (MFCC map, motion of the face) of a split, drawn in an order that a step number alone decides."""

from functools import lru_cache

import numpy as np

from preprocessing.audio_features import speech_maps
from preprocessing.pixels import to_signed


class FrameSet:
    """All frames of some clips; faces stay on disk, memory-mapped.

    Attributes:
        maps: raw MFCC maps, one array per clip [shape=(frames, rows, n_mfcc)].
        clip_means: mean face of each clip in [-1, 1] [shape=(clips, size, size, 3)].
    """

    def __init__(self, clips, features):
        self.clips = clips
        self.maps = [speech_maps(clip.speech(), clip.times, features) for clip in clips]
        self.clip_means = np.stack([to_signed(clip.faces.mean(axis=0)) for clip in clips])
        self._clip_of = np.repeat(np.arange(len(clips)), [len(clip.faces) for clip in clips])
        self._first_of = np.concatenate([[0], np.cumsum([len(clip.faces) for clip in clips])])

    def __len__(self):
        return len(self._clip_of)

    def motion(self, indices):
        """Faces less their clip's mean face: float32 in [-2, 2] [shape=(len(indices), size, size, 3)]."""
        clips = self._clip_of[indices]
        faces = np.stack(
            [self.clips[clip].faces[frame - self._first_of[clip]] for clip, frame in zip(clips, indices, strict=True)]
        )
        return to_signed(faces) - self.clip_means[clips]


def choose_reference(frames):
    """A real face of the speaker at rest: of each clip's quietest frame, the one nearest to the mean face.

    Args:
        frames: `FrameSet` of the training clips.

    Returns:
        (face, map): uint8 RGB [shape=(size, size, 3)] and its raw MFCC map [shape=(rows, n_mfcc)].
    """
    quietest = [int(np.argmin(of_clip[:, :, 0].mean(axis=1))) for of_clip in frames.maps]
    faces = np.stack([clip.faces[frame] for clip, frame in zip(frames.clips, quietest, strict=True)])
    distances = np.square(to_signed(faces) - frames.clip_means.mean(axis=0)).sum(axis=(1, 2, 3))
    nearest = int(np.argmin(distances))
    return faces[nearest], frames.maps[nearest][quietest[nearest]]


def batch_indices(count, batch_size, step, seed):
    """Which frames the batch of a step holds.

    Each epoch runs through all frames once in an order of its own; a batch may end one epoch and begin the next.

    Args:
        count: number of frames.
        batch_size: frames in a batch.
        step: number of the step, from 0.
        seed: of the orders.

    Returns:
        indices [shape=(batch_size,)], a function of the arguments alone.
    """
    positions = np.arange(step * batch_size, (step + 1) * batch_size)
    epochs = positions // count
    return np.array(
        [_order(count, seed, epoch)[p % count] for epoch, p in zip(epochs.tolist(), positions, strict=True)]
    )


@lru_cache(maxsize=2)
def _order(count, seed, epoch):
    return np.random.default_rng((seed, epoch)).permutation(count)
