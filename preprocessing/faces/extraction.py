"""From the frames of a video to aligned faces, as a stream: detection, tracking, quality, smoothing and crop."""

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from preprocessing.faces.alignment import LandmarkSmoother, crop_face, face_transform
from preprocessing.faces.detection import Face
from preprocessing.faces.orientation import Orientation
from preprocessing.faces.quality import BY_QUARTERS, NO_FACE, why_crop_unusable, why_face_unusable
from preprocessing.faces.tracking import KEY_FRAME_INTERVAL, is_cut, track_faces

SCATTERED = 3  # frames: so few with a face among frames without one are believed only if the detector is sure
SCATTERED_SCORE = 0.97  # of a sure one
SURROUNDINGS = 3.5  # eye distances to each side of the middle of the face that are kept until it can be cut out


@dataclass(frozen=True)
class ExtractedFace:
    """What became of one frame.

    Attributes:
        time: seconds since the first frame.
        reason: why the frame is dropped, or "".
        faces: number of faces in the picture.
        score: of the detection, 0..1; 0 without a face.
        landmarks: pixels of the frame, as detected [shape=(5, 2)]; None without a face.
        transform: from the frame to the crop, smooth over time [shape=(2, 3)]; None if dropped.
        crop: the aligned face, uint8 RGB [shape=(size, size, 3)]; None if dropped.
        cut: whether scene or face changed since the last usable frame before this one.
    """

    time: float
    reason: str
    faces: int
    score: float
    landmarks: np.ndarray | None
    transform: np.ndarray | None = None
    crop: np.ndarray | None = None
    cut: bool = False


def extract_faces(frames: Iterator, detector: Any, frame_rate: float, size: int, exact: bool = False) -> Iterator[Any]:
    """Tracks the largest face of a video and cuts it out, aligned.

    A second of frames is held back, as far as the smoothing looks ahead; of those only the surroundings of the face.

    Args:
        frames: iterable of (time, image) as `media.reading.read_frames` gives it.
        detector: a `detection.Detector`.
        frame_rate: frames per second.
        size: side of the crops in pixels.
        exact: detect in every frame, without tracking.

    Yields:
        an `ExtractedFace` for each frame, in order.
    """
    smoother = LandmarkSmoother(frame_rate)
    orientation = Orientation(detector)
    waiting: Any = deque()
    stretch, before = 0, ""  # stretch: frames of the unbroken one; before: why the last was dropped
    usable = None  # the last usable frame

    def finish(reason):
        """What waits of a stretch that ends, at a frame that is dropped for a reason or at a cut."""
        smooth = smoother.finish()
        scattered = NO_FACE in (before, reason) and len(waiting) == stretch <= SCATTERED
        if scattered and all(face.score < SCATTERED_SCORE for _, _, face, *_ in waiting):
            for time, faces, face, *_ in waiting:
                yield ExtractedFace(time, NO_FACE, faces, face.score, face.landmarks)
        else:
            for of_frame, landmarks in zip(waiting, smooth, strict=True):
                yield _cut_out(of_frame, landmarks, size)
        waiting.clear()

    for number, frame in enumerate(track_faces(frames, detector, exact)):
        if number % KEY_FRAME_INTERVAL == 0:
            orientation.look(frame.image, frame.face)
        reason = BY_QUARTERS[orientation.quarters] or why_face_unusable(frame.face, frame.image.shape)
        if reason or frame.cut:
            yield from finish(reason)
            stretch, before = 0, reason
        if reason:
            score, landmarks = (0.0, None) if frame.face is None else (frame.face.score, frame.face.landmarks)
            yield ExtractedFace(frame.time, reason, frame.faces, score, landmarks)
            continue
        stretch += 1
        cut, usable = usable is not None and is_cut(usable, frame), frame
        waiting.append((frame.time, frame.faces, frame.face, cut, *_surroundings(frame.image, frame.face)))
        for landmarks in smoother.push(frame.face.landmarks):
            yield _cut_out(waiting.popleft(), landmarks, size)
    yield from finish("")


def _surroundings(image: np.ndarray, face: Face) -> tuple[np.ndarray, np.ndarray]:
    """The part of the image around the face, and where its upper left corner lies."""
    middle, reach = face.landmarks.mean(axis=0), SURROUNDINGS * face.eye_distance
    left, top = np.maximum(middle - reach, 0).astype(int)
    right, bottom = np.ceil(middle + reach).astype(int)
    return image[top:bottom, left:right].copy(), np.array([left, top])


def _cut_out(of_frame: tuple, smooth_landmarks: np.ndarray, size: int) -> ExtractedFace:
    time, faces, face, cut, image, corner = of_frame
    transform = face_transform(smooth_landmarks, size)
    of_part = transform.copy()
    of_part[:, 2] += transform[:, :2] @ corner
    crop = crop_face(image, of_part, size)
    if reason := why_crop_unusable(crop):
        return ExtractedFace(time, reason, faces, face.score, face.landmarks, cut=cut)
    return ExtractedFace(time, "", faces, face.score, face.landmarks, transform, crop, cut)
