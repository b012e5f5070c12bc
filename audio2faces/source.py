"""A picture or a video of the speaker, into which generated faces are put back."""

import re
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from preprocessing.alignment import crop_face, inverse_transform, resized_transform
from preprocessing.detection import make_detector
from preprocessing.extraction import extract_faces
from preprocessing.files import check_is_file
from preprocessing.media import read_frames, video_info
from preprocessing.pictures import read_png
from preprocessing.program import InputError, progress
from preprocessing.quality import remedy

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
FIRST_BYTES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF....WEBP")  # of pictures, whatever their name; a dot is any
LONGEST = 40.0  # seconds of a video that are used; longer speech plays them back and forth
JUDGED_SIZE = 64  # pixels of the crops by which faces are found usable, whatever the model's size
STORED_QUALITY = 97  # JPEG quality at which its frames wait in memory
SHORT_GAP = 5  # frames without a usable face through which the last place is held; in longer ones the face fades
FADE = 5  # frames

# The part of the aligned face that is put back: an ellipse around mouth and chin, in units of the crop's side.
CENTRE, RADII, FEATHER = (0.5, 0.79), (0.25, 0.185), 0.035
COLOUR_REACH = 0.15  # standard deviation, in the same unit, over which colours are matched


@dataclass(frozen=True)
class Source:
    """Frames of the speaker and where the face lies in them.

    Attributes:
        name: of the file.
        frame_rate: frames per second; 0 for a picture.
        frames: JPEG files in memory, of the same size.
        transforms: from frame to crop of `size` pixels [shape=(frames, 2, 3)].
        opacity: how much of the generated face each frame shows, 0..1 [shape=(frames,)].
        size: side of the crops in pixels.
        notes: what a user should know, a line each.
    """

    name: str
    frame_rate: float
    frames: list
    transforms: np.ndarray
    opacity: np.ndarray
    size: int
    notes: tuple

    @property
    def shape(self):
        """Width and height of the frames in pixels."""
        height, width = cv2.imdecode(self.frames[0], cv2.IMREAD_COLOR).shape[:2]
        return width, height

    def place(self, seconds):
        """The frame that is shown after some seconds: forth through all of them, back, and forth again."""
        count = len(self.frames)
        if count == 1:
            return 0
        place = round(seconds * self.frame_rate) % (2 * count - 2)
        return min(place, 2 * count - 2 - place)

    def with_face(self, face, seconds):
        """A frame into which a generated face was put.

        Args:
            face: uint8 RGB [shape=(size, size, 3)].
            seconds: since the start of the speech.

        Returns:
            uint8 RGB [shape=(height, width, 3)], both even.
        """
        place = self.place(seconds)
        frame = cv2.cvtColor(cv2.imdecode(self.frames[place], cv2.IMREAD_COLOR), cv2.COLOR_BGR2RGB)
        if not self.opacity[place]:
            return frame
        transform = self.transforms[place]
        matched = match_colours(face, crop_face(frame, transform, self.size))
        back = inverse_transform(transform)
        corners = (np.array([[0, 0], [1, 0], [0, 1], [1, 1]]) * self.size - 0.5) @ back[:, :2].T + back[:, 2]
        left, top = np.maximum(np.floor(corners.min(axis=0)).astype(int), 0)
        right, bottom = np.minimum(np.ceil(corners.max(axis=0)).astype(int), frame.shape[1::-1])
        back[:, 2] -= [left, top]
        size = (int(right - left), int(bottom - top))
        face = cv2.warpAffine(matched, back, size, flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
        mask = cv2.warpAffine(face_mask(self.size), back, size, flags=cv2.INTER_LINEAR)[..., None] * self.opacity[place]
        part = frame[top:bottom, left:right]
        frame[top:bottom, left:right] = np.clip(np.rint(part + mask * (face - part)), 0, 255).astype(np.uint8)
        return frame


def face_mask(size):
    """What is put back: 1 within the ellipse, fading to 0 at the edge of the crop [shape=(size, size)], float32."""
    mask = np.zeros((size, size), np.float32)
    centre, radii = (tuple(round(size * part) for part in parts) for parts in (CENTRE, RADII))
    cv2.ellipse(mask, centre, radii, 0, 0, 360, 1.0, cv2.FILLED)
    mask = cv2.GaussianBlur(mask, (0, 0), FEATHER * size, borderType=cv2.BORDER_CONSTANT)
    rim = np.minimum(np.arange(size), np.arange(size)[::-1]) / (2 * FEATHER * size)
    return mask * np.minimum(1, np.minimum(rim[:, None], rim[None]))


def match_colours(face, real):
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
    known = wide * (1 - np.clip(1.5 * face_mask(size), 0, 1)) + 1e-4

    def blurred(picture):
        return cv2.GaussianBlur(picture, (0, 0), COLOUR_REACH * size)

    return face + blurred((real - face) * known[..., None]) / blurred(known)[..., None]


def open_source(path, size, seconds, longest_side=None):
    """Reads a picture or a video and finds the face in it.

    Args:
        path: of the file.
        size: of the model's faces in pixels.
        seconds: of the speech; no more of a video is read, and no more than LONGEST. None for unknown.
        longest_side: pixels to which a larger picture or video is shrunk; None keeps it.

    Raises:
        InputError: the file cannot be read, or no frame shows a face that can be used (the reasons are named).
    """
    if is_picture(path):
        frame_rate, frames = 0.0, [(0.0, read_png(path))]
        total = 1
    else:
        info = video_info(path)
        end = min(LONGEST, seconds or LONGEST)
        frame_rate, frames = info.frame_rate, read_frames(path, end=end)
        total = round(min(end, info.duration or end) * frame_rate)
    stored, faces = [], []
    with progress(total, "frame", "finding the face") as bar:
        frames = _storing(frames, stored, longest_side)
        for face in extract_faces(frames, make_detector("mtcnn"), frame_rate or 25.0, JUDGED_SIZE):
            faces.append(face)
            bar.update(1)
        bar.total = len(faces)
    if not faces:
        raise InputError(f"{path}: no frame could be read; give another picture or video")
    usable = np.array([not face.reason for face in faces])
    reasons = Counter(face.reason for face in faces if face.reason)
    why = "; ".join(f"{reason} in {count}" for reason, count in reasons.most_common())
    if not usable.any():
        raise InputError(
            f"{path}: no frame shows a usable face ({why}); "
            f"{remedy(reasons, 'give one large, sharp, frontal face of the speaker')}"
        )
    notes = []
    if frame_rate and end == LONGEST and (info.duration or 0) > LONGEST:
        notes.append(f"{path}: its first {LONGEST:g} s are used, back and forth; cut the part you want for another")
    if reasons:
        notes.append(f"{path}: {len(faces) - usable.sum()} of {len(faces)} frames show no usable face ({why})")
    if several := sum(face.faces > 1 for face in faces):
        notes.append(f"{path}: several faces in {several} of {len(faces)} frames; the largest one speaks")
    nearest = nearest_usable(usable)
    transforms = np.stack([resized_transform(faces[index].transform, size / JUDGED_SIZE) for index in nearest])
    return Source(str(path), frame_rate, stored, transforms, opacity_of(usable), size, tuple(notes))


def is_picture(path):
    """Whether a file is a PNG, JPEG, BMP or WebP picture, or is named like one.

    Raises:
        InputError: there is no such file.
    """
    check_is_file(path)
    with open(path, "rb") as file:
        first = file.read(12)
    named = Path(path).suffix.lower() in PICTURES
    return named or any(re.match(begin, first, re.DOTALL) for begin in FIRST_BYTES)


def _storing(frames, stored, longest_side):
    """Passes frames on, shrunk if they are too large and cut to even sides, and keeps each as JPEG."""
    for time, image in frames:
        if longest_side is not None and max(image.shape) > longest_side:
            scale = longest_side / max(image.shape)
            image = cv2.resize(image, None, fx=scale, fy=scale, interpolation=cv2.INTER_AREA)
        image = np.ascontiguousarray(image[: image.shape[0] // 2 * 2, : image.shape[1] // 2 * 2])
        quality = [cv2.IMWRITE_JPEG_QUALITY, STORED_QUALITY, cv2.IMWRITE_JPEG_SAMPLING_FACTOR, 0x111111]
        stored.append(cv2.imencode(".jpg", cv2.cvtColor(image, cv2.COLOR_RGB2BGR), quality)[1])
        yield time, image


def nearest_usable(usable):
    """For each frame the usable one nearest in time [shape=(frames,)]."""
    places = np.flatnonzero(usable)
    return places[np.abs(np.arange(len(usable))[:, None] - places).argmin(axis=1)]


def opacity_of(usable):
    """How much of the face each frame shows: all through short gaps, fading into and out of longer ones.

    Args:
        usable: bool [shape=(frames,)], at least one true.
    """
    count = len(usable)
    away = np.abs(np.arange(count) - nearest_usable(usable))
    edges = np.flatnonzero(np.diff(np.concatenate([[1], usable.astype(int), [1]])))
    opacity = np.ones(count)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        if end - first > SHORT_GAP:
            opacity[first:end] = np.maximum(0, 1 - away[first:end] / FADE)
    return opacity
