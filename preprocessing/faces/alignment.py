"""Puts the eyes and the mouth of every face at the same place of a square crop.

The transform is a similarity (rotation, one scale, shift), fitted to three points: the eyes and the middle of the
mouth. The corners of the mouth are not used one by one, since speech moves them and the crop would move along.

Coordinates are those of OpenCV and of the detectors: the centre of a pixel lies at integers, so that a picture of
`size` pixels reaches from -0.5 to size - 0.5. A crop that is mirrored or averaged to half its size is then the crop of
the mirrored or smaller size.
"""

from collections import deque
from typing import Any

import cv2
import numpy as np

from preprocessing.faces.detection import LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, RIGHT_EYE

# Where the three points lie in the crop, as (x, y) in units of its side from its left upper corner.
TEMPLATE = np.array([[0.35, 0.42], [0.65, 0.42], [0.50, 0.79]])

# The mouth and the chin below it, as (top, bottom, left, right) in units of the side of the crop.
MOUTH_BOX = (0.66, 1.0, 0.28, 0.72)

SMOOTHING_SECONDS = 0.25  # standard deviation of the Gaussian over time: no tremble, and no lag as it is symmetric


def mouth_slices(size: int) -> tuple[slice, slice]:
    """Row and column slices of the mouth box in crops of `size` pixels."""
    top, bottom, left, right = (round(edge * size) for edge in MOUTH_BOX)
    return slice(top, bottom), slice(left, right)


class LandmarkSmoother:
    """Smooths landmarks over time, one unbroken stretch after the other, as they come.

    The filter is a Gaussian of SMOOTHING_SECONDS, cut at four standard deviations; before the first and after the last
    frame of a stretch the face is taken to rest.
    """

    def __init__(self, frame_rate: float) -> None:
        deviation = SMOOTHING_SECONDS * frame_rate
        self._radius = int(4 * deviation + 0.5)
        weights = np.exp(-0.5 * (np.arange(-self._radius, self._radius + 1) / deviation) ** 2)
        self._weights = weights / weights.sum()
        self._window = deque(maxlen=len(weights))

    def push(self, landmarks: np.ndarray) -> list[np.ndarray]:
        """Takes the next frame's landmarks [shape=(5, 2)]; gives those that are now smooth, as a list of 0 or 1."""
        if not self._window:
            self._window.extend([landmarks] * self._radius)
        self._window.append(landmarks)
        if len(self._window) < len(self._weights):
            return []
        return [np.tensordot(self._weights, np.array(self._window), 1)]

    def finish(self) -> list[np.ndarray]:
        """Ends the stretch; gives the smooth landmarks of its last frames as a list."""
        smooth = []
        if self._window:
            rest = self._window[-1]
            for _ in range(self._radius):
                smooth += self.push(rest)
            self._window.clear()
        return smooth


def similarity_transform(points: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """Least-squares similarity from `points` to `targets`, without reflection (Umeyama 1991, in the plane).

    Args:
        points: [shape=(n, 2)], n >= 2, not all the same.
        targets: [shape=(n, 2)].

    Returns:
        2x3 matrix that takes (x, y, 1) of a point to its target.
    """
    origin, destination = points.mean(axis=0), targets.mean(axis=0)
    p, q = points - origin, targets - destination
    spread = (p**2).sum()
    along = (p * q).sum() / spread  # scale times cosine
    across = (p[:, 0] * q[:, 1] - p[:, 1] * q[:, 0]).sum() / spread  # scale times sine
    rotation = np.array([[along, -across], [across, along]])
    return np.column_stack([rotation, destination - rotation @ origin])


def template_points(size: int) -> np.ndarray:
    """Where the eyes and the middle of the mouth lie in a crop of `size` pixels [shape=(3, 2)]."""
    return TEMPLATE * size - 0.5


def face_transform(landmarks: np.ndarray, size: int) -> np.ndarray:
    """The 2x3 transform from a frame to a crop of `size` pixels that puts the landmarks [shape=(5, 2)] in place."""
    mouth = (landmarks[MOUTH_LEFT] + landmarks[MOUTH_RIGHT]) / 2
    return similarity_transform(np.stack([landmarks[LEFT_EYE], landmarks[RIGHT_EYE], mouth]), template_points(size))


def resized_transform(transform: np.ndarray, factor: Any) -> np.ndarray:
    """The transform [shape=(2, 3)] from a frame to the same crop in `factor` times as many pixels a side."""
    return (_finer_grid(factor) @ np.vstack([transform, [0, 0, 1]]))[:2]


def of_scaled_frame(transform: np.ndarray, shape: tuple[int, int], scaled_shape: tuple[int, int]) -> np.ndarray:
    """The transform [shape=(2, 3)] from a frame that was resized from one shape (height, width) to another."""
    down, across = (before / after for before, after in zip(shape, scaled_shape, strict=True))
    back = np.array([[across, 0, (across - 1) / 2], [0, down, (down - 1) / 2], [0, 0, 1]])  # centres lie at integers
    return transform @ back


def crop_face(image: np.ndarray, transform: np.ndarray, size: int) -> np.ndarray:
    """Cuts the aligned face out of a frame.

    A face larger than the crop is averaged, before and after it is turned, so that detail does not alias; what lies
    outside the frame repeats its edge.

    Args:
        image: uint8 RGB [shape=(height, width, 3)].
        transform: 2x3, frame to crop.
        size: side of the crop in pixels.

    Returns:
        uint8 RGB [shape=(size, size, 3)].
    """
    scale = np.hypot(*transform[:, 0])  # crop pixels per frame pixel
    if (whole := int(0.5 / scale)) > 1:  # half of the way: the turn, too, is to start from finer pixels
        height, width = image.shape[0] // whole, image.shape[1] // whole
        image = image[: height * whole, : width * whole]
        image = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
        transform = transform @ _finer_grid(whole)
        scale *= whole
    fine = max(1, int(np.ceil(1 / scale)))
    matrix = resized_transform(transform, fine)
    crop = cv2.warpAffine(
        image, matrix, (size * fine, size * fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)


def _finer_grid(factor: int) -> np.ndarray:
    """From the pixels of a grid to those of one `factor` times as fine [shape=(3, 3)]."""
    return np.array([[factor, 0, (factor - 1) / 2], [0, factor, (factor - 1) / 2], [0, 0, 1]])


def inverse_transform(transform: np.ndarray) -> np.ndarray:
    """The 2x3 transform from the crop back to the frame."""
    return cv2.invertAffineTransform(transform)
