"""What a model has to beat: faces made without learning."""

import numpy as np

from media.pixels import to_signed, to_uint8
from runtime.program import with_progress
from training.frames import clip_maps, clip_mean


def mean_face(clips):
    """The mean face of some clips, every frame counting alike: uint8 RGB [shape=(size, size, 3)]."""
    counts = [len(clip.faces) for clip in clips]
    total = sum(len(clip.faces) * clip_mean(clip.faces) for clip in with_progress(clips, "clip", "mean face"))
    return to_uint8(to_signed(total / sum(counts)))


class NearestAudio:
    """The training frame whose standardised MFCC map is nearest, by Euclidean distance.

    Args:
        clips: training clips.
        statistics: `FeatureStatistics`.
        features: `FeatureSettings`.
    """

    def __init__(self, clips, statistics, features):
        self.statistics, self.features = statistics, features
        self.frames = [(clip, frame) for clip in clips for frame in range(len(clip.faces))]
        self.maps = np.concatenate(
            [self._flat_maps(clip) for clip in with_progress(clips, "clip", "speech to compare with")]
        )
        self.squares = (self.maps**2).sum(axis=1)

    def __call__(self, clip):
        """Faces for the clip's speech: uint8 RGB [shape=(frames, size, size, 3)]."""
        nearest = np.argmin(self.squares - 2 * self._flat_maps(clip) @ self.maps.T, axis=1)
        return np.stack([self.frames[index][0].faces[self.frames[index][1]] for index in nearest])

    def _flat_maps(self, clip):
        maps = self.statistics.standardise(clip_maps(clip, self.features))
        return maps.reshape(len(maps), -1)
