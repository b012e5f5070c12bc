"""How the head is turned, estimated from five landmarks, roughly and in units of the eye distance."""

from typing import Any

import numpy as np

from preprocessing.faces.detection import LEFT_EYE, MOUTH_LEFT, MOUTH_RIGHT, NOSE, RIGHT_EYE


def yaw(landmarks: np.ndarray) -> np.ndarray | float:
    """How far the head is turned aside: the nose's way from the middle of the eyes, along the line through them.

    Measured along the eyes' line, it does not see roll; in units of their distance, it does not see size.

    Args:
        landmarks: [shape=(..., 5, 2)].

    Returns:
        array [shape=(...)], 0 for a frontal face, positive where the nose is nearer to the right eye (as seen in the
        picture); exchanging left and right turns the sign. A profile has .5 and more.
    """
    eyes, middle = _eyes(landmarks)
    return ((landmarks[..., NOSE, :] - middle) * eyes).sum(axis=-1) / (eyes**2).sum(axis=-1)


def pitch(landmarks: np.ndarray) -> np.ndarray:
    """How far the mouth lies below the eyes, across their line: 1.1 to 1.3 in a level head, less in a bowed one.

    Args:
        landmarks: [shape=(..., 5, 2)].

    Returns:
        array [shape=(...)] in eye distances.
    """
    eyes, middle = _eyes(landmarks)
    across = np.stack([-eyes[..., 1], eyes[..., 0]], axis=-1)
    mouth = (landmarks[..., MOUTH_LEFT, :] + landmarks[..., MOUTH_RIGHT, :]) / 2
    return ((mouth - middle) * across).sum(axis=-1) / (eyes**2).sum(axis=-1)


def _eyes(landmarks: Any) -> tuple[np.ndarray, np.ndarray]:
    """The way from the left eye to the right one, and the middle between them."""
    left, right = landmarks[..., LEFT_EYE, :], landmarks[..., RIGHT_EYE, :]
    return right - left, (left + right) / 2
