"""Which faces are good enough to learn from, and why the others are not."""

from typing import Any

import cv2
import numpy as np

from preprocessing.faces.alignment import mouth_slices
from preprocessing.faces.pose import pitch, yaw

SMALLEST_EYE_DISTANCE = 10.0  # pixels; a smaller face has no mouth to learn from
LARGEST_YAW = 0.35  # of the eye distance; a profile has .5 and more
PITCHES: tuple[float, float] = (
    0.7,
    1.8,
)  # distance of eyes and mouth over that of the eyes; in a level head 1.1 to 1.3
LEAST_FINE_DETAIL = 0.005  # sharp GRID faces have .017 to .044, blurred by 1.5 of 64 pixels they have .002 to .0055
MOUTH_DETAIL = (0.45, 20.0)  # vertical over horizontal; whole mouths have .7 to 10, one smeared by a lost packet .25

NO_FACE = "no face found"
TOO_SMALL = f"eyes less than {SMALLEST_EYE_DISTANCE:.0f} pixels apart"
TURNED = "face turned away"
OUTSIDE = "face cut off by the edge of the picture"
BLURRED = "face blurred"
SMEARED = "mouth smeared by damage"
UPSIDE_DOWN = "the picture is upside down"
ON_LEFT_SIDE = "the picture lies on its left side"
ON_RIGHT_SIDE = "the picture lies on its right side"

BY_QUARTERS = ("", ON_RIGHT_SIDE, UPSIDE_DOWN, ON_LEFT_SIDE)  # by the quarter turns, anticlockwise, that it needs
REMEDIES = {
    UPSIDE_DOWN: "turn it the right way up first (ffmpeg -i FILE -vf hflip,vflip TURNED)",
    ON_LEFT_SIDE: "turn it clockwise first (ffmpeg -i FILE -vf transpose=1 TURNED)",
    ON_RIGHT_SIDE: "turn it anticlockwise first (ffmpeg -i FILE -vf transpose=2 TURNED)",
}


def why_face_unusable(face: Any, shape: tuple[int, int, int]) -> str:
    """The reason why a face in a frame is not used, or "".

    Args:
        face: a `detection.Face` or None.
        shape: height and width of its frame in pixels.
    """
    if face is None:
        return NO_FACE
    if face.eye_distance < SMALLEST_EYE_DISTANCE:
        return TOO_SMALL
    least, most = PITCHES
    if np.abs(yaw(face.landmarks)) > LARGEST_YAW or not least < float(pitch(face.landmarks)) < most:
        return TURNED
    inside = (face.landmarks >= 0) & (face.landmarks < [shape[1], shape[0]])
    return "" if inside.all() else OUTSIDE


def remedy(reasons: Any, otherwise: str) -> str:
    """What to do about frames without a usable face: the remedy for the most frequent reason, or `otherwise`.

    Args:
        reasons: `Counter` of the reasons of such frames.
        otherwise: the remedy for all reasons but a picture that does not stand upright.
    """
    return next((REMEDIES.get(reason, otherwise) for reason, _ in reasons.most_common(1)), otherwise)


def why_crop_unusable(crop: np.ndarray) -> str:
    """The reason why an aligned face, uint8 RGB [shape=(size, size, 3)], is not used, or ""."""
    if fine_detail(crop) < LEAST_FINE_DETAIL:
        return BLURRED
    least, most = MOUTH_DETAIL
    return "" if least <= mouth_detail(crop) <= most else SMEARED


def fine_detail(crop: np.ndarray) -> float:
    """Energy of the finest detail (finer than 1/64 of the side) over that of all in a crop, 0..1."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    blurred = cv2.GaussianBlur(grey, (0, 0), len(crop) / 64)
    return float((grey - blurred).var() / max(grey.var(), 1.0))


def mouth_detail(crop: np.ndarray) -> float:
    """Energy of the finest detail in the mouth box along its columns over that along its rows."""
    grey = cv2.cvtColor(crop, cv2.COLOR_RGB2GRAY).astype(np.float32)
    deviation = len(crop) / 64
    width = 2 * int(np.ceil(3 * deviation)) + 1
    rows, columns = mouth_slices(len(crop))
    down, along = (
        (grey - cv2.GaussianBlur(grey, shape, deviation))[rows, columns].var() for shape in ((1, width), (width, 1))
    )
    return float((down + 1e-6) / (along + 1e-6))
