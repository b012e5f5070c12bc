"""Follows the largest face through a video: a look at the whole picture now and then, and where it was in between."""

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import cv2
import numpy as np

from preprocessing.faces.alignment import crop_face, face_transform
from preprocessing.faces.detection import Face

KEY_FRAME_INTERVAL = 32  # frames between two looks at the whole picture
PLACE_INTERVAL = 8  # frames between two in which the place of the face is found for all
PLACE_SMOOTHING = 8.0  # frames, the standard deviation of the weights of places
SMALLEST_FACE = 0.1  # of the frame's height: a smaller face is not the speaker's
DETECTED_SIZE = 20  # pixels to which the smallest face is shrunk for a look at the whole picture
LARGEST_LEAP = 0.5  # of the eye distance, between two frames: a face that moves further is another one
THUMBNAIL = 32  # rows of the few pixels by which two pictures are compared
CUT = 30.0  # grey levels between the thumbnails of two frames that belong to different scenes
RECOLOURED = (
    0.25  # share of their pixels that has other colours; a shaken camera changes up to .24 where it reaches CUT
)
STILL = 5.0  # grey levels up to which two pictures are one scene: the frames of a steady camera differ by 1 or 2
LOOK = 32  # pixels a side of the aligned faces that tell persons apart
OTHER_FACE = 0.1  # 1 - correlation of such faces: .04 at most between neighbours, .11 to 1.4 between two persons


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
    cut: bool = False


def track_faces(frames: Any, detector: Any, exact: bool = False) -> Iterator[Any]:
    """Finds the largest face of each frame.

    Now and then the whole picture is looked at, shrunk as far as the smallest face allows. Between two such looks the
    face is detected in the picture as it is: first in some frames, where both looks say, then in all, where those
    frames say; places that are smooth over time make for steady landmarks. Where the face is not there, and where a
    look showed none, every picture is looked at as a whole.

    Args:
        frames: iterable of (time, image) as `media.reading.read_frames` gives it.
        detector: a `detection.Detector`.
        exact: detect in every picture, as it is.

    Yields:
        a `TrackedFrame` for each frame, in order.
    """
    frames = iter(frames)
    key, places, last = None, _Places(), None  # faces of the last key frame; where to look; the last frame
    while chunk := list(islice(frames, KEY_FRAME_INTERVAL)):
        times, images = zip(*chunk, strict=True)
        if exact:
            found = [_largest(faces) for faces in detector.detect(images)]
        else:
            found, key = _faces_of_chunk(images, key, places, detector)
        for time, image, (face, count) in zip(times, images, found, strict=True):
            frame = TrackedFrame(time, image, face, count)
            last = dataclasses.replace(frame, cut=last is not None and is_cut(last, frame))
            yield last


def is_cut(before: TrackedFrame, after: TrackedFrame) -> bool:
    """Whether the scene or the person changes from one `TrackedFrame` to another."""
    change = _change(before.image, after.image)
    if change > CUT and _recoloured(before.image, after.image) > RECOLOURED:
        return True
    if before.face is None or after.face is None:
        return False
    return _leap(before.face, after.face) or (change > STILL and _unlikeness(before, after) > OTHER_FACE)


class _Places:
    """Where the face was in some frames, and the mean of those near in time, which trembles less."""

    def __init__(self) -> None:
        self.forget()

    def forget(self) -> None:
        self.frames, self.boxes = [], []  # frames are counted from the first one of the current chunk

    def add(self, frame: int, box: np.ndarray) -> None:
        self.frames.append(frame)
        self.boxes.append(box)

    def advance(self, count: int) -> None:
        """Lets `count` frames pass."""
        kept = [i for i, frame in enumerate(self.frames) if frame > count - 3 * PLACE_SMOOTHING]
        self.frames, self.boxes = [self.frames[i] - count for i in kept], [self.boxes[i] for i in kept]

    def at(self, frame: int) -> np.ndarray:
        """The search box for a frame."""
        away = (np.array(self.frames) - frame) / PLACE_SMOOTHING
        return np.average(self.boxes, axis=0, weights=np.exp(-0.5 * away**2))


def _faces_of_chunk(images: tuple, key: list[Face] | None, places: _Places, detector: Any) -> tuple:
    """(largest face or None, number of faces) of each image, and the faces of the last one, the new key frame.

    `key` are the faces of the image before the first, or None where there is none: the first is then a key frame too.
    """
    last, seen, before = len(images) - 1, {}, -1  # faces seen in whole pictures; the index of the key frame before
    if key is None:
        (key,) = look_at_whole(images[:1], detector)
        seen[0], before = key, 0
    (new_key,) = look_at_whole(images[-1:], detector)
    seen[last] = new_key
    found: dict = {}
    if key and new_key:
        between = [(index - before) / max(last - before, 1) for index in range(len(images))]
        boxes: Any = [(1 - share) * key[0].search_box + share * new_key[0].search_box for share in between]
        some = sorted({*range(0, last, PLACE_INTERVAL), last})
        for index, face in zip(some, detector.follow(*_of(some, images, boxes)), strict=True):
            if face is not None:
                places.add(index, detector.search_box(face.landmarks))
        if places.frames:
            boxes = [places.at(index) for index in range(len(images))]
        count = max(len(key), len(new_key))
        found = {index: (face, count) for index, face in enumerate(detector.follow(images, boxes)) if face is not None}
    lost = [index for index in range(len(images)) if index not in found]
    if lost:
        places.forget()
    unseen = [index for index in lost if index not in seen]
    seen.update(zip(unseen, look_at_whole([images[index] for index in unseen], detector), strict=True))
    searched = [index for index in lost if seen[index]]
    boxes = {index: seen[index][0].search_box for index in searched}
    for index, face in zip(searched, detector.follow(*_of(searched, images, boxes)), strict=True):
        found[index] = face or seen[index][0], len(seen[index])
    places.advance(len(images))
    return [found.get(index, (None, 0)) for index in range(len(images))], new_key


def _of(indices: list[int], *lists: Any) -> list:
    return [[items[index] for index in indices] for items in lists]


def look_at_whole(images: Sequence, detector: Any) -> list:
    """The faces of each image, detected in a smaller one.

    Args:
        images: list of uint8 RGB arrays of one size [shape=(height, width, 3)].
        detector: a `detection.Detector`.

    Returns:
        for each image a list of `Face`, the largest first.
    """
    if not images:
        return []
    scale = min(1.0, DETECTED_SIZE / (SMALLEST_FACE * images[0].shape[0]))
    small = [cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA) for image in images]
    return [[face.scaled(1 / scale) for face in faces] for faces in detector.detect(small)]


def _largest(faces: list[Face]) -> Any:
    return (faces[0] if faces else None), len(faces)


def _leap(before: Face, after: Face) -> Any:
    way = np.linalg.norm(after.landmarks.mean(axis=0) - before.landmarks.mean(axis=0))
    return way > LARGEST_LEAP * before.eye_distance


def _change(before: np.ndarray, after: np.ndarray) -> float:
    """Mean difference in grey levels between the thumbnails of two frames."""
    if before.shape != after.shape:
        return np.inf
    step = max(1, before.shape[0] // THUMBNAIL)
    return np.abs(before[::step, ::step].astype(np.int16) - after[::step, ::step]).mean()


def _recoloured(before: np.ndarray, after: np.ndarray) -> float:
    """The share of the pixels by which the colours of two frames differ, in eight levels of red, green and blue."""
    shares = []
    for image in (before, after):
        step = max(1, image.shape[0] // (2 * THUMBNAIL))
        red, green, blue = (image[::step, ::step] // 32).reshape(-1, 3).astype(int).T
        shares.append(np.bincount(64 * red + 8 * green + blue, minlength=512) / red.size)
    return float(np.abs(shares[1] - shares[0]).sum() / 2)


def _unlikeness(before: Any, after: Any) -> float:
    """1 - correlation of the aligned faces of two frames, in grey and blurred; 0 where one has no contrast."""
    looks = []
    for frame in (before, after):
        step = max(1, round(frame.face.eye_distance / LOOK))
        image = np.ascontiguousarray(frame.image[::step, ::step])
        crop = crop_face(image, face_transform(frame.face.landmarks / step, LOOK), LOOK)
        looks.append(look_of(crop))
    return 1 - looks[0] @ looks[1] if looks[0].any() and looks[1].any() else 0.0


def look_of(crop: np.ndarray) -> np.ndarray:
    """What tells persons apart in an aligned face, uint8 RGB [shape=(size, size, 3)]: coarse, without light and colour.

    Returns:
        LOOK x LOOK values of mean 0, of length 1 unless all are 0; the product of two is their correlation.
    """
    grey = cv2.cvtColor(cv2.resize(crop, (LOOK, LOOK), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    look = cv2.GaussianBlur(grey.astype(np.float32), (0, 0), LOOK / 20).ravel()
    look -= look.mean()
    return look / max(float(np.linalg.norm(look)), 1e-6)
