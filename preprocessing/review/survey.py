"""What is in a dataset, measured clip by clip: length, pose, brightness, size of the faces."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from media.reading import SPEECH_FILES, SPEECH_RATE, sound_duration
from preprocessing.dataset import Clip, Dataset
from preprocessing.faces import pose
from preprocessing.faces.detection import LEFT_EYE, RIGHT_EYE
from preprocessing.faces.tracking import look_of
from runtime.errors import InputError
from runtime.progress import progress

BRIGHTNESS_STEP = 10  # every tenth face is looked at
LUMA = np.array([0.299, 0.587, 0.114])  # of red, green and blue in brightness (ITU-R BT.601)

LARGEST_COLOUR_DIFFERENCE = 25.0  # of 255, from the median of the clips; those of one GRID speaker differ by 10
LARGEST_SIZE_RATIO = 1.5  # of the distance between the eyes, likewise
LEAST_CORRELATION = 0.75  # of looks, likewise; one speaker's clips have .90 and more, other persons mostly .5 and less


@dataclass(frozen=True)
class Measures:
    """What was measured in one clip.

    Attributes:
        name: of the clip.
        split: of the clip.
        seconds: length of its speech.
        yaw, pitch: of its faces as `pose` defines them, in eye distances [shape=(frames,)].
        brightness: mean of every tenth face, 0 (black) to 255 (white) [shape=(frames / 10, rounded up,)].
        eye_distance: in pixels of the source [shape=(frames,)].
        colour: mean red, green and blue of every tenth face, 0..255 [shape=(3,)].
        look: mean of what `tracking.look_of` sees in every tenth face [shape=(values,)].
    """

    name: str
    split: str
    seconds: float | None
    yaw: Any
    pitch: Any
    brightness: np.ndarray
    eye_distance: np.ndarray
    colour: np.ndarray
    look: np.ndarray


@dataclass(frozen=True)
class Survey:
    """What was measured in a dataset.

    Attributes:
        measures: a `Measures` for each clip that can be read, sorted by name.
        damaged: a line for each clip that cannot.
    """

    measures: list
    damaged: list

    def of_split(self, split: str) -> list[Measures]:
        """The measures of the clips of one split."""
        return [of_clip for of_clip in self.measures if of_clip.split == split]

    def seconds(self, split: str) -> float:
        """Speech in the clips of one split."""
        return sum(of_clip.seconds or 0.0 for of_clip in self.of_split(split))

    def unlike_others(self) -> dict[str, str]:
        """How clips differ from most of the others in colour, size or look of the face: {name: words}."""
        colours = np.stack([of_clip.colour for of_clip in self.measures])
        sizes = np.array([np.median(of_clip.eye_distance) for of_clip in self.measures])
        colour_difference = np.abs(colours - np.median(colours, axis=0)).max(axis=1)
        times_larger = sizes / np.median(sizes)
        usual = np.median([of_clip.look for of_clip in self.measures], axis=0)
        unlike = {}
        for of_clip, difference, larger in zip(self.measures, colour_difference, times_larger, strict=True):
            correlation = _correlation(of_clip.look, usual)
            if difference > LARGEST_COLOUR_DIFFERENCE:
                unlike[of_clip.name] = f"its colour differs by {difference:.0f} of 255"
            elif max(larger, 1 / larger) > LARGEST_SIZE_RATIO:
                unlike[of_clip.name] = f"its face is {larger:.1f} times as large"
            elif correlation < LEAST_CORRELATION:
                unlike[of_clip.name] = f"its face correlates by {correlation:.2f} with theirs"
        return unlike

    def values(self, quantity: str, split: str | None = None) -> np.ndarray:
        """A measure of all clips, or of those of one split, one after the other [shape=(n,)], such as their yaw."""
        measures = self.measures if split is None else self.of_split(split)
        return np.concatenate([np.zeros(0), *(getattr(of_clip, quantity) for of_clip in measures)])


def survey_dataset(dataset: Dataset) -> Survey:
    """Measures all clips of a dataset.

    Raises:
        InputError: it holds no clip that can be read.
    """
    measures, damaged = [], []
    with progress(len(dataset.clips), "clip", "measuring") as bar:
        for clip in dataset.clips:
            try:
                measures.append(measure_clip(replace(clip)))  # a copy: with it goes what it has read
            except InputError as error:
                damaged.append(str(error))
            bar.update(1)
    if not measures:
        why = damaged[0] if damaged else "its manifest names none"
        raise InputError(f"{dataset.folder}: holds no clip that can be read ({why}); prepare it again")
    return Survey(measures, damaged)


def measure_clip(clip: Any) -> Measures:
    """The `Measures` of a clip.

    Raises:
        InputError: one of its files is missing or damaged.
    """
    landmarks = landmarks_in_crop(clip)
    some = clip.faces[::BRIGHTNESS_STEP]
    colours = np.array([face.mean(axis=(0, 1)) for face in some])
    yaw, pitch = pose.yaw(landmarks), pose.pitch(landmarks)
    return Measures(
        clip.name,
        clip.entry["split"],
        sound_duration(clip.folder / SPEECH_FILES[SPEECH_RATE]),
        yaw,
        pitch,
        colours @ LUMA,
        np.linalg.norm(clip.landmarks[:, RIGHT_EYE] - clip.landmarks[:, LEFT_EYE], axis=-1),
        colours.mean(axis=0),
        np.mean([look_of(face) for face in some], axis=0),
    )


def _correlation(look: np.ndarray, other: np.ndarray) -> float:
    """That of two looks; 1 where one has no contrast."""
    norm = np.linalg.norm(look) * np.linalg.norm(other)
    return look @ other / norm if norm > 1e-6 else 1.0


def landmarks_in_crop(clip: Clip) -> np.ndarray:
    """Landmarks of a clip in pixels of its faces, where those of a mirrored clip are mirrored too.

    Returns:
        array [shape=(frames, 5, 2)]; centres of pixels lie at integers.

    Raises:
        InputError: track.npz is missing or damaged.
    """
    transforms = clip.track["transform"]
    return np.einsum("fij,fkj->fki", transforms[:, :, :2], clip.landmarks) + transforms[:, None, :, 2]
