"""Puts the eyes and the mouth of every face at the same place of a square crop.

The transform is a similarity (rotation, one scale, shift), fitted to three points: the eyes and the middle of the
mouth. The corners of the mouth are not used one by one, since speech moves them and the crop would move along.
"""

import cv2
import numpy as np
from scipy.ndimage import gaussian_filter1d

from .detection import LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, RIGHT_EYE

# Where the three points lie in the crop, as (x, y) in units of its side.
TEMPLATE = np.array([[0.35, 0.42], [0.65, 0.42], [0.50, 0.79]])

# The mouth and the chin below it, as (top, bottom, left, right) in units of the side of the crop.
MOUTH_BOX = (0.66, 1.0, 0.28, 0.72)

SMOOTHING_SECONDS = 0.25  # standard deviation of the Gaussian over time: no tremble, and no lag as it is symmetric


def mouth_slices(size):
    """Row and column slices of the mouth box in crops of `size` pixels."""
    top, bottom, left, right = (round(edge * size) for edge in MOUTH_BOX)
    return slice(top, bottom), slice(left, right)


def smooth_landmarks(landmarks, frame_rate):
    """Smooths landmarks over the frames of one unbroken stretch.

    Args:
        landmarks: [shape=(frames, 5, 2)] in pixels.
        frame_rate: frames per second.

    Returns:
        array of the same shape, smoothed with a Gaussian of SMOOTHING_SECONDS.
    """
    return gaussian_filter1d(landmarks, SMOOTHING_SECONDS * frame_rate, axis=0, mode="nearest")


def similarity_transform(points, targets):
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


def face_transform(landmarks, size):
    """The 2x3 transform from a frame to a crop of `size` pixels that puts the landmarks [shape=(5, 2)] in place."""
    mouth = (landmarks[MOUTH_LEFT] + landmarks[MOUTH_RIGHT]) / 2
    return similarity_transform(np.stack([landmarks[LEFT_EYE], landmarks[RIGHT_EYE], mouth]), TEMPLATE * size)


def crop_face(image, transform, size):
    """Cuts the aligned face out of a frame.

    A face larger than the crop is sampled finely and then averaged, so that detail does not alias; what lies
    outside the frame repeats its edge.

    Args:
        image: uint8 RGB [shape=(height, width, 3)].
        transform: 2x3, frame to crop.
        size: side of the crop in pixels.

    Returns:
        uint8 RGB [shape=(size, size, 3)].
    """
    scale = np.hypot(*transform[:, 0])  # crop pixels per frame pixel
    fine = max(1, int(np.ceil(1 / scale)))
    # Pixel centres lie at integers: the fine grid's centres are shifted by half a pixel against the coarse one's.
    to_fine = np.array([[fine, 0, (fine - 1) / 2], [0, fine, (fine - 1) / 2]])
    matrix = to_fine @ np.vstack([transform, [0, 0, 1]])
    crop = cv2.warpAffine(
        image, matrix, (size * fine, size * fine), flags=cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE
    )
    return crop if fine == 1 else cv2.resize(crop, (size, size), interpolation=cv2.INTER_AREA)
