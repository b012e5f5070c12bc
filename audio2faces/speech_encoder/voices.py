"""The speakers that an encoder learns from: frames of each, and what each one's mouth does in them."""

from functools import cached_property

import numpy as np

from audio2faces.config import LARGEST_MOTION
from measures.mouth import MouthComponents
from measures.other_voices import opening_direction
from preprocessing.speech.audio_features import FeatureSettings
from training.frames import REST_FRAMES, FrameSet, FrameStore


class Voice:
    """One speaker's dataset.

    Args:
        store: of one speaker's dataset, faces of any size.
        features: of the maps.

    Attributes:
        name: of the folder.
        frames: of the training clips.
        held_out: of the validation clips.

    Raises:
        InputError: the dataset lacks a split.
    """

    def __init__(self, store: FrameStore, features: FeatureSettings) -> None:
        size = min(store.dataset.size, LARGEST_MOTION)
        self.name = store.dataset.folder.resolve().name
        self.frames = store.frames("train", features, size)
        self.held_out = store.frames("validation", features, size)

    @cached_property
    def components(self) -> MouthComponents:
        """Of the mouth's motion on the training clips."""
        return MouthComponents.fit(self.frames.clips)

    @cached_property
    def scale(self) -> float:
        """By which positions along the components are divided: the first one's deviation, negative to turn it round.

        The sign of a component is free. Here the first one is positive where the mouth is open.
        """
        positions = [self.components.transform(clip.faces) for clip in self.frames.clips]
        return float(np.concatenate(positions)[:, 0].std()) * opening_direction(positions, self.frames.maps)

    def positions(self, frames: FrameSet) -> list[np.ndarray]:
        """Where the mouth is, one array per clip [shape=(frames, COMPONENTS) each]."""
        return [(self.components.transform(clip.faces) / self.scale).astype(np.float32) for clip in frames.clips]

    @cached_property
    def mouth(self) -> np.ndarray:
        """The same of all training frames [shape=(frames, COMPONENTS)]."""
        return np.concatenate(self.positions(self.frames))

    @cached_property
    def rest(self) -> np.ndarray:
        """The same of each training clip at rest [shape=(clips, COMPONENTS)]."""
        return self.mouth[self.frames.quietest(REST_FRAMES)].mean(axis=1)
