"""Training pairs (MFCC map, motion of the face) of a split, and the face that motion is added to."""

import numpy as np

from began.frames import FrameSet
from preprocessing.pixels import to_signed


class MotionSet(FrameSet):
    """All frames of some clips as motion: the face less the mean face of its clip.

    Attributes:
        clip_means: mean face of each clip in [-1, 1] [shape=(clips, size, size, 3)].
    """

    def __init__(self, clips, features):
        super().__init__(clips, features)
        self.clip_means = np.stack([to_signed(clip.faces.mean(axis=0)) for clip in clips])

    def motion(self, indices):
        """Faces less their clip's mean face: float32 in [-2, 2] [shape=(len(indices), size, size, 3)]."""
        return to_signed(self.faces(indices)) - self.clip_means[self.clip_of[indices]]


def choose_reference(frames):
    """A real face of the speaker at rest: of each clip's quietest frame, the one nearest to the mean face.

    Args:
        frames: `MotionSet` of the training clips.

    Returns:
        (face, map): uint8 RGB [shape=(size, size, 3)] and its raw MFCC map [shape=(rows, n_mfcc)].
    """
    quietest = [int(np.argmin(of_clip[:, :, 0].mean(axis=1))) for of_clip in frames.maps]
    faces = np.stack([clip.faces[frame] for clip, frame in zip(frames.clips, quietest, strict=True)])
    distances = np.square(to_signed(faces) - frames.clip_means.mean(axis=0)).sum(axis=(1, 2, 3))
    nearest = int(np.argmin(distances))
    return faces[nearest], frames.maps[nearest][quietest[nearest]]
