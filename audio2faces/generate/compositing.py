"""Puts an aligned face back into the frame that it was cropped from, or into one in which it was never seen."""

import cv2
import numpy as np

from audio2faces.lower_face import CENTRE, RADII, ellipse_mask
from preprocessing.faces.alignment import inverse_transform

# In units of the crop's side.
FEATHER = 0.035  # standard deviation of the edge of what is put back
INNER_CENTRE, INNER_RADII = (0.5, 0.78), (0.17, 0.14)  # the part of it that moves, put back whatever it shows
COLOUR_REACH = 0.15  # standard deviation over which colours are matched
ANOTHER_THING = 30.0  # grey levels between the generated and the real face that light does not explain


def put_back(frame: np.ndarray, face: np.ndarray, opacity: np.ndarray, transform: np.ndarray) -> np.ndarray:
    """A frame with an aligned face in it.

    Args:
        frame: uint8 RGB [shape=(height, width, 3)].
        face: aligned, in 0..255 [shape=(size, size, 3)].
        opacity: how much of it is seen, in 0..1, 0 at the edge [shape=(size, size)].
        transform: from frame to aligned face [shape=(2, 3)].

    Returns:
        uint8 RGB [shape=(height, width, 3)]; bit by bit the frame where the opacity is 0.
    """
    back = inverse_transform(transform)
    made = frame.copy()
    rows, columns = (np.flatnonzero(opacity.any(axis=axis)) for axis in (1, 0))
    if not len(rows):
        return made
    corners = np.array([[x, y] for x in columns[[0, -1]] + [-1, 1] for y in rows[[0, -1]] + [-1, 1]])
    corners = corners @ back[:, :2].T + back[:, 2]
    left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
    right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int) + 1, frame.shape[1::-1])
    if right <= left or bottom <= top:  # outside the frame
        return made
    back[:, 2] -= [left, top]
    shape = (int(right - left), int(bottom - top))
    face = np.asarray(face, np.float32)
    face = cv2.warpAffine(face, back, shape, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    opacity = cv2.warpAffine(np.asarray(opacity, np.float32), back, shape, flags=cv2.INTER_LINEAR)[..., None]
    part = made[top:bottom, left:right]
    part[:] = np.clip(np.rint(part + opacity * (face - part)), 0, 255).astype(np.uint8)
    return made


def put_into(
    frame: np.ndarray, face: np.ndarray, real: np.ndarray, opacity: float, transform: np.ndarray
) -> np.ndarray:
    """A frame into which a face was put that was generated without having seen it.

    Args:
        frame: uint8 RGB [shape=(height, width, 3)].
        face: generated, uint8 RGB [shape=(size, size, 3)].
        real: the aligned face of the frame, same shape.
        opacity: how much of the generated face is seen, in 0..1.
        transform: from frame to aligned face [shape=(2, 3)].

    Returns:
        uint8 RGB [shape=(height, width, 3)].
    """
    matched = match_colours(face, real)
    return put_back(frame, matched, opacity * blend_mask(matched, real), transform)


def blended(face: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The same in the aligned face itself; arguments as for `put_into`, uint8 RGB [shape=(size, size, 3)]."""
    matched = match_colours(face, real)
    made = real + blend_mask(matched, real)[..., None] * (matched - real)
    return np.clip(np.rint(made), 0, 255).astype(np.uint8)


def blend_mask(face: np.ndarray, real: np.ndarray) -> np.ndarray:
    """How much of a generated face is put into the real one, pixel by pixel.

    Around the part that moves it is less where the two show different things, as at a jaw in another pose: there the
    generated face has the background or the collar where the real one has skin.

    Args:
        face: generated, in the light of the real one [shape=(size, size, 3)].
        real: the aligned face of the frame, same shape.

    Returns:
        float32 in 0..1 [shape=(size, size)].
    """
    size = len(face)
    distance = np.abs(np.asarray(face, np.float32) - real).max(axis=-1)
    distance = cv2.GaussianBlur(cv2.dilate(distance, np.ones((3, 3))), (0, 0), 0.015 * size)
    alike = 1 / (1 + (distance / ANOTHER_THING) ** 4)
    inner = ellipse_mask(size, INNER_CENTRE, INNER_RADII, FEATHER)
    return ellipse_mask(size, CENTRE, RADII, FEATHER) * np.maximum(alike, inner)


def match_colours(face: np.ndarray, real: np.ndarray) -> np.ndarray:
    """The face in the light of the real one: what is the same in both, the skin around the mouth, tells the difference.

    Args:
        face: generated, uint8 RGB [shape=(size, size, 3)].
        real: the aligned face of the frame, same shape.

    Returns:
        float32 [shape=(size, size, 3)], in 0..255 or a little beyond.
    """
    size = len(face)
    face, real = face.astype(np.float32), real.astype(np.float32)
    wide = np.zeros((size, size), np.float32)
    rows, columns = slice(round(0.45 * size), round(0.97 * size)), slice(round(0.2 * size), round(0.8 * size))
    wide[rows, columns] = 1
    around = wide * (1 - np.clip(1.5 * ellipse_mask(size, CENTRE, RADII, FEATHER), 0, 1))
    difference = real - face

    def blurred(picture):
        return cv2.GaussianBlur(picture, (0, 0), COLOUR_REACH * size)

    light = np.median(difference[around > 0.5], axis=0)
    for _ in range(2):  # what differs by more than light does, background against skin, does not count
        distance = np.abs(difference - light).max(axis=-1)
        known = around / (1 + (distance / ANOTHER_THING) ** 4) + 1e-4
        light = blurred(difference * known[..., None]) / blurred(known)[..., None]
    return face + light
