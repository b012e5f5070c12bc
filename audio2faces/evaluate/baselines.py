"""What a model has to beat: faces made without learning."""

from typing import Any

import numpy as np

from media.pixels import to_signed, to_uint8
from preprocessing.dataset import Clip
from preprocessing.speech.audio_features import FeatureSettings, FeatureStatistics
from runtime.progress import with_progress
from training.frames import FrameSet, clip_maps, clip_mean


def mean_face(clips: Any) -> np.ndarray:
    """The mean face of some clips, every frame counting alike: uint8 RGB [shape=(size, size, 3)]."""
    counts = [len(clip.faces) for clip in clips]
    total = sum(len(clip.faces) * clip_mean(clip.faces) for clip in with_progress(clips, "clip", "mean face"))
    return to_uint8(to_signed(total / sum(counts)))


class NearestAudio:
    """The training frame whose standardised MFCC map is nearest, by Euclidean distance.

    Args:
        frames: of the training clips.
        statistics: of their speech.
        features: of the maps.
    """

    def __init__(self, frames: FrameSet, statistics: FeatureStatistics, features: FeatureSettings) -> None:
        self.statistics, self.features, self.frames = statistics, features, frames
        self.maps = frames.standardised(statistics.standardise).reshape(len(frames), -1)
        self.squares = (self.maps**2).sum(axis=1)

    def __call__(self, clip: Clip) -> np.ndarray:
        """Faces for the clip's speech: uint8 RGB [shape=(frames, size, size, 3)]."""
        nearest = np.argmin(self.squares - 2 * self._flat_maps(clip) @ self.maps.T, axis=1)
        return self.frames.faces(nearest)

    def _flat_maps(self, clip: Clip) -> np.ndarray:
        maps = self.statistics.standardise(clip_maps(clip, self.features))
        return maps.reshape(len(maps), -1)
