"""What a detector gets wrong in a video: faces missed, faces that are none, and how much the others tremble.

Nobody marked the faces of these videos by hand. For true counts what MTCNN finds in most frames around each one: the
median of its boxes over half a second is wrong only where MTCNN is, for long.
"""

from collections.abc import Callable
from typing import Any

import cv2
import numpy as np

from preprocessing.faces.alignment import face_transform, inverse_transform, template_points

REACH = 6  # frames to each side of a frame: together half a second, in which a head hardly moves
LEAST_OVERLAP = 0.5  # of a found box and the true one, intersection over union; a mouth with its chin reaches .4
CROP_SIZE = 64  # pixels, of the crops whose jitter is measured


def over_time(values: np.ndarray, reduce: Callable) -> np.ndarray:
    """A running mean or median that leaves out what is not known.

    Args:
        values: of each frame, NaN where not known [shape=(frames, ...)].
        reduce: function of the known values [shape=(n, ...)] around a frame to one value.

    Returns:
        `reduce` over the 2 * REACH + 1 frames around each one, fewer at the ends; NaN where most of them are not known.
    """
    values = np.asarray(values, float)
    known = ~np.isnan(values).any(axis=tuple(range(1, values.ndim)))
    smooth = np.full_like(values, np.nan)
    for index in range(len(values)):
        around = slice(max(index - REACH, 0), index + REACH + 1)
        if known[around].mean() >= 0.5:
            smooth[index] = reduce(values[around][known[around]])
    return smooth


def true_boxes(faces: list) -> np.ndarray:
    """Where the face is, as most frames around each one say.

    Args:
        faces: the `detection.Face`s of each frame, the largest first.

    Returns:
        left, top, right, bottom in pixels, NaN where there is no face [shape=(frames, 4)].
    """
    boxes = [found[0].box if found else np.full(4, np.nan) for found in faces]
    return over_time(np.reshape(boxes, (-1, 4)), lambda around: np.median(around, axis=0))


def overlap(box: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union of two boxes [shape=(4,)], 0..1; 0 where one is not known."""
    width, height = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    if not (width > 0 and height > 0):
        return 0.0
    common = width * height
    return float(common / (np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - common))


def match(faces: list, truth: np.ndarray) -> tuple:
    """Parts what was found into the true face and false ones.

    Args:
        faces: the `detection.Face`s of each frame.
        truth: box of the true face of each frame [shape=(frames, 4)].

    Returns:
        (right, wrong): for each frame the face that overlaps the true one best, or None where none does by
        LEAST_OVERLAP; and the list of those that do not.
    """
    right, wrong = [], []
    for found, box in zip(faces, truth, strict=True):
        best = max(found, key=lambda face: overlap(face.box, box), default=None)
        right.append(best if best is not None and overlap(best.box, box) >= LEAST_OVERLAP else None)
        wrong.append([face for face in found if overlap(face.box, box) < LEAST_OVERLAP])
    return right, wrong


def tremble(values: np.ndarray) -> np.ndarray:
    """What is left of the changes from frame to frame when slow movement is taken away.

    Args:
        values: of each frame, NaN where not known [shape=(frames, points, dimensions)].

    Returns:
        change of each point since the frame before, less its running mean; only where both frames and most changes
        around are known [shape=(n, points, dimensions)].
    """
    changes = np.diff(values, axis=0)
    trembling = changes - over_time(changes, lambda around: around.mean(axis=0))
    return trembling[~np.isnan(trembling).any(axis=(1, 2))]


def centres(faces: list, truth: np.ndarray) -> np.ndarray:
    """Centre of the box of each face or None, in per cent of the true face's size [shape=(frames, 1, 2)]."""
    size = np.nanmedian(np.sqrt(np.prod(truth[:, 2:] - truth[:, :2], axis=1)))
    return _of_faces(faces, lambda face: 100 * (face.box[:2] + face.box[2:])[None] / 2 / size, (1, 2))


def sizes(faces: list) -> np.ndarray:
    """Size of each face or None, the root of its area, in per cent of its median [shape=(frames, 1, 1)]."""
    size = _of_faces(faces, lambda face: np.full((1, 1), np.sqrt(face.area)), (1, 1))
    return 100 * size / np.nanmedian(size) if any(faces) else size


def crop_places(faces: list) -> np.ndarray:
    """Where in the picture the crop of each face or None takes eyes and mouth from [shape=(frames, 3, 2)].

    Without smoothing over time; in pixels of the video's median crop.
    """
    transforms = [face_transform(face.landmarks, CROP_SIZE) for face in faces if face]
    scale = np.median([np.hypot(*transform[:, 0]) for transform in transforms]) if transforms else 1.0

    def places(face):
        to_frame = inverse_transform(face_transform(face.landmarks, CROP_SIZE))
        return scale * cv2.transform(template_points(CROP_SIZE)[None], to_frame)[0]

    return _of_faces(faces, places, (3, 2))


def _of_faces(faces: list, value: Callable, shape: tuple[int, int]) -> np.ndarray:
    return np.array([np.full(shape, np.nan) if face is None else value(face) for face in faces]).reshape(-1, *shape)


def measure(videos: list[tuple[list, np.ndarray]]) -> dict[str, Any]:
    """The errors of one detector.

    Args:
        videos: for each video the faces found in each frame and the true boxes, as a pair.

    Returns:
        dictionary: frames; misses, frames with a face where it was not found; false, found faces that are none in 100
        frames; centre and size, tremble in per cent of the face's size; crop, tremble in pixels of a crop of CROP_SIZE.
        A tremble is the root mean square length of `tremble`, None where no face was found for long enough.
    """
    frames, misses, false = 0, 0, 0
    trembling = {"centre": [], "size": [], "crop": []}
    for faces, truth in videos:
        right, wrong = match(faces, truth)
        there = ~np.isnan(truth[:, 0])
        frames += len(faces)
        misses += sum(face is None for face, is_there in zip(right, there, strict=True) if is_there)
        false += sum(map(len, wrong))
        trembling["centre"].append(tremble(centres(right, truth)))
        trembling["size"].append(tremble(sizes(right)))
        trembling["crop"].append(tremble(crop_places(right)))
    errors = {"frames": frames, "misses": misses, "false": 100 * false / frames}
    return errors | {name: _length(np.concatenate(parts)) for name, parts in trembling.items()}


def _length(vectors: np.ndarray) -> float | None:
    """Root mean square length of vectors [shape=(n, points, dimensions)]; None for none."""
    return float(np.sqrt((vectors**2).sum(axis=2).mean())) if len(vectors) else None
