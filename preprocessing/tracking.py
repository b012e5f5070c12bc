"""Follows one face through a video: detection in key frames, interpolation between, detection again where unsure."""

from dataclasses import dataclass, field
from itertools import islice, pairwise

import cv2
import numpy as np

from .alignment import smooth_landmarks
from .detection import LEFT_EYE, RIGHT_EYE

KEY_FRAME_INTERVAL = 4  # frames between two detections where nothing happens
CHUNK_FRAMES = 48  # held in memory at once
SMALLEST_EYE_DISTANCE = 10.0  # pixels; a smaller face has no mouth to learn from
LARGEST_STEP = 0.25  # of the eye distance: a face that moves further between key frames is detected in each frame
LARGEST_CHANGE = 12.0  # grey levels by which a frame may differ from its key frame before it is looked at itself

NO_FACE = "no face found"
TOO_SMALL = f"eyes less than {SMALLEST_EYE_DISTANCE:.0f} pixels apart"


@dataclass
class Track:
    """The face in each frame of a video.

    Attributes:
        times: seconds since the first frame [shape=(frames,)].
        scores: of the detection, 0..1; between key frames the lower of the two [shape=(frames,)].
        landmarks: pixels [shape=(frames, 5, 2)], NaN where there is no usable face.
        dropped: for each frame "" or the reason why its face is not usable.
        crowded: number of frames in which the detector saw more than one face; the largest was taken.
    """

    times: list = field(default_factory=list)
    scores: list = field(default_factory=list)
    landmarks: list = field(default_factory=list)
    dropped: list = field(default_factory=list)
    crowded: int = 0

    def kept(self):
        """Indices of the frames with a usable face [shape=(n,)]."""
        return np.array([index for index, reason in enumerate(self.dropped) if not reason], int)

    def smoothed(self, frame_rate):
        """Landmarks of the kept frames, smoothed within each stretch of neighbouring frames [shape=(n, 5, 2)]."""
        kept = self.kept()
        result = np.array(self.landmarks)[kept]
        eyes = np.linalg.norm(result[:, RIGHT_EYE] - result[:, LEFT_EYE], axis=-1)
        leaps = np.linalg.norm(np.diff(result.mean(axis=1), axis=0), axis=-1) > eyes[1:]
        breaks = np.flatnonzero((np.diff(kept) > 1) | leaps) + 1
        for stretch in np.split(np.arange(len(kept)), breaks):
            result[stretch] = smooth_landmarks(result[stretch], frame_rate)
        return result


def track_face(frames, detector):
    """Tracks the largest face.

    Args:
        frames: iterable of (time, image) as `media.read_frames` gives it.
        detector: function of a list of images that returns a list of `Face` lists, the largest first.

    Returns:
        a `Track` with one entry per frame.
    """
    track = Track()
    frames = iter(frames)
    while chunk := list(islice(frames, CHUNK_FRAMES)):
        times, images = zip(*chunk, strict=True)
        faces = _faces_of_chunk(images, detector, track)
        for time, face in zip(times, faces, strict=True):
            reason = _why_unusable(face)
            track.times.append(time)
            track.dropped.append(reason)
            track.scores.append(0.0 if face is None else face[0])
            track.landmarks.append(np.full((5, 2), np.nan) if reason else face[1])
    return track


def _why_unusable(face):
    if face is None:
        return NO_FACE
    eye_distance = np.linalg.norm(face[1][RIGHT_EYE] - face[1][LEFT_EYE])
    return TOO_SMALL if eye_distance < SMALLEST_EYE_DISTANCE else ""


def _faces_of_chunk(images, detector, track):
    """For each image (score, landmarks) or None."""
    keys = sorted({*range(0, len(images), KEY_FRAME_INTERVAL), len(images) - 1})
    found = _detect(images, keys, detector, track)
    unsure = []
    for first, last in pairwise(keys):
        between = range(first + 1, last)
        if _calm(found[first], found[last]) and _alike([images[index] for index in range(first, last + 1)]):
            for index in between:
                found[index] = _interpolate(found[first], found[last], (index - first) / (last - first))
        else:
            unsure += between
    found.update(_detect(images, unsure, detector, track))
    return [found[index] for index in range(len(images))]


def _detect(images, indices, detector, track):
    found = {}
    for index, faces in zip(indices, detector([images[index] for index in indices]), strict=True):
        track.crowded += len(faces) > 1
        found[index] = (faces[0].score, faces[0].landmarks) if faces else None
    return found


def _calm(first, last):
    """Whether two key frames show the same face at nearly the same place."""
    if first is None or last is None:
        return False
    eye_distance = np.linalg.norm(first[1][RIGHT_EYE] - first[1][LEFT_EYE])
    return np.linalg.norm(last[1] - first[1], axis=-1).mean() < LARGEST_STEP * eye_distance


def _alike(images):
    """Whether no image differs much from the first: a black frame or a cut between two key frames does."""
    small = [cv2.resize(image, (32, 32), interpolation=cv2.INTER_AREA).astype(np.float32) for image in images]
    return all(np.abs(image - small[0]).mean() < LARGEST_CHANGE for image in small)


def _interpolate(first, last, fraction):
    return min(first[0], last[0]), (1 - fraction) * first[1] + fraction * last[1]
