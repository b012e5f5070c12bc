"""Follows the largest face through a video: a look at the whole picture now and then, and where it was in between."""

from dataclasses import dataclass
from itertools import islice

import cv2
import numpy as np

from .detection import Face

KEY_FRAME_INTERVAL = 32  # frames between two looks at the whole picture
SMALLEST_FACE = 0.1  # of the frame's height: a smaller face is not the speaker's
DETECTED_SIZE = 20  # pixels to which the smallest face is shrunk for a look at the whole picture
LARGEST_LEAP = 0.5  # of the eye distance, between two frames: a face that moves further is another one
THUMBNAIL = 32  # rows of the few pixels by which two pictures are compared
CUT = 30.0  # grey levels between the thumbnails of two frames that belong to different scenes


@dataclass(frozen=True)
class TrackedFrame:
    """One frame of a video and the face in it.

    Attributes:
        time: seconds since the first frame.
        image: uint8 RGB [shape=(height, width, 3)].
        face: the largest `Face`, or None.
        faces: number of faces in the picture, as of the last look at the whole of it.
        cut: whether the scene or the face changes from the frame before to this one.
    """

    time: float
    image: np.ndarray
    face: Face | None
    faces: int
    cut: bool


def track_faces(frames, detector, exact=False):
    """Finds the largest face of each frame.

    In a look at the whole picture the picture is shrunk as far as the smallest face allows; the face is then told from
    the picture as it is, and so it is between two such looks, where the places of both say. Where it is not there, and
    where a look showed none, every picture is looked at as a whole.

    Args:
        frames: iterable of (time, image) as `media.read_frames` gives it.
        detector: a `detection.Detector`.
        exact: detect in every picture, as it is.

    Yields:
        a `TrackedFrame` for each frame, in order.
    """
    frames = iter(frames)
    key, last = None, None  # the faces of the last key frame; the last frame
    while chunk := list(islice(frames, KEY_FRAME_INTERVAL)):
        times, images = zip(*chunk, strict=True)
        if exact:
            found = [_largest(faces) for faces in detector.detect(images)]
        else:
            found, key = _faces_of_chunk(images, key, detector)
        for time, image, (face, count) in zip(times, images, found, strict=True):
            cut = last is not None and (_leap(last.face, face) or _change(last.image, image) > CUT)
            last = TrackedFrame(time, image, face, count, cut)
            yield last


def _faces_of_chunk(images, key, detector):
    """(largest face or None, number of faces) of each image, and the faces of the last one, the new key frame.

    `key` are the faces of the image before the first, or None where there is none: the first is then a key frame too.
    """
    last, seen, before = len(images) - 1, {}, -1  # faces seen in whole pictures; the index of the key frame before
    if key is None:
        (key,) = _look(images[:1], detector)
        seen[0], before = key, 0
    (new_key,) = _look(images[-1:], detector)
    seen[last] = new_key
    found = {}
    if key and new_key:
        places = [(index - before) / max(last - before, 1) for index in range(len(images))]
        boxes = [(1 - place) * key[0].search_box + place * new_key[0].search_box for place in places]
        count = max(len(key), len(new_key))
        found = {index: (face, count) for index, face in enumerate(detector.follow(images, boxes)) if face is not None}
    lost = [index for index in range(len(images)) if index not in found]
    unseen = [index for index in lost if index not in seen]
    seen.update(zip(unseen, _look([images[index] for index in unseen], detector), strict=True))
    told = [index for index in lost if seen[index]]
    faces = detector.follow([images[index] for index in told], [seen[index][0].search_box for index in told])
    for index, face in zip(told, faces, strict=True):
        found[index] = face or seen[index][0], len(seen[index])
    return [found.get(index, (None, 0)) for index in range(len(images))], new_key


def _look(images, detector):
    """The faces of each image, detected in a smaller one."""
    if not images:
        return []
    scale = min(1.0, DETECTED_SIZE / (SMALLEST_FACE * images[0].shape[0]))
    small = [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for image in images]
    return [[face.scaled(1 / scale) for face in faces] for faces in detector.detect(small)]


def _largest(faces):
    return (faces[0] if faces else None), len(faces)


def _leap(before, after):
    if before is None or after is None:
        return before is not after
    way = np.linalg.norm(after.landmarks.mean(axis=0) - before.landmarks.mean(axis=0))
    return way > LARGEST_LEAP * before.eye_distance


def _change(before, after):
    """Mean difference in grey levels between the thumbnails of two frames."""
    if before.shape != after.shape:
        return np.inf
    step = max(1, before.shape[0] // THUMBNAIL)
    return np.abs(before[::step, ::step].astype(np.int16) - after[::step, ::step]).mean()
