"""A picture or a video of the speaker, into which generated faces are put back."""

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Self

import cv2
import numpy as np

from audio2faces.generate.compositing import put_back, put_into
from audio2faces.generate.occlusion import visibility
from audio2faces.generate.source_frames import VideoFrames
from audio2faces.lower_face import painted_mask
from audio2faces.trained.footage import Footage, forth_and_back
from audio2faces.trained.likeness import Likeness
from measures.similarity import mouth_opening
from media.pictures import fitted, read_picture
from media.reading import read_frames, video_info
from preprocessing.faces.alignment import crop_face, of_scaled_frame, resized_transform
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.extraction import extract_faces
from preprocessing.faces.quality import remedy
from runtime.errors import InputError
from runtime.files import check_is_file
from runtime.progress import progress, with_progress

PICTURES = (".png", ".jpg", ".jpeg", ".bmp", ".webp")
FIRST_BYTES = (b"\x89PNG", b"\xff\xd8\xff", b"BM", b"RIFF....WEBP")  # of pictures, whatever their name; a dot is any
LONGEST = 40.0  # seconds of a video that are used; longer speech plays them back and forth
LONGEST_SIDE = 1920  # pixels of the video written: any player takes it, and generated mouths have no more detail
FOUND_SIDE = 1280  # pixels of the frames in which the face is looked for: a second of them waits in memory
JUDGED_SIZE = 64  # pixels of the crops by which faces are found usable, whatever the model's size
SHORT_GAP = 5  # frames without a usable face through which the last place is held; in longer ones the face fades
FADE = 5  # frames
GLANCE, GLANCE_AT_FACE = 96, 16  # rows of the small pictures, and of the face in them, by which frames are compared
STILL_THERE = 12.0  # grey levels; a speaker's face changes by up to 5 within five frames, another picture's by 20


@dataclass(frozen=True)
class Source:
    """Frames of the speaker and where the face lies in them.

    Attributes:
        name: of the file.
        times: of the frames, in seconds from 0 on [shape=(frames,)].
        frames: uint8 RGB each, of the same, even size [shape=(height, width, 3)].
        transforms: from frame to crop of `size` pixels [shape=(frames, 2, 3)].
        opacity: how much of the generated face each frame shows, 0..1 [shape=(frames,)].
        size: side of the crops in pixels.
        rest: number of a frame in which the mouth is shut.
        another: whether the face seems to be that of another person than the model's speaker.
        notes: what a user should know, a line each.
    """

    name: str
    times: np.ndarray
    frames: Any
    transforms: np.ndarray
    opacity: np.ndarray
    size: int
    rest: int = 0
    another: bool = False
    notes: tuple = ()

    @classmethod
    def of_footage(cls, footage: Footage, size: int, still: bool = False) -> Self:
        """The footage that a model carries.

        Args:
            footage: of a model.
            size: of its faces in pixels.
            still: shows the frame at rest alone.
        """
        shown = slice(footage.rest, footage.rest + 1) if still else slice(None)
        times = footage.times[shown]
        frames = VideoFrames(footage.path, times, footage.shape)
        places, rest = footage.transforms[shown], 0 if still else footage.rest
        return cls(str(footage.path), times - times[0], frames, places, np.ones(len(times)), size, rest)

    @property
    def shape(self) -> tuple[int, int]:
        """Width and height of the frames in pixels."""
        height, width = self.frames.shape if isinstance(self.frames, VideoFrames) else self.frames[0].shape[:2]
        return width, height

    def place(self, seconds: float) -> int:
        """The frame that is shown after some seconds: forth through all of them, back, and forth again."""
        return int(np.abs(self.times - forth_and_back(seconds, float(self.times[-1]))).argmin())

    @cached_property
    def faces(self) -> np.ndarray:
        """The aligned face of each frame, uint8 RGB [shape=(frames, size, size, 3)]."""
        faces = np.empty((len(self.times), self.size, self.size, 3), np.uint8)
        for number in with_progress(range(len(faces)), "frame", "aligning the face"):
            faces[number] = crop_face(self.frames[number], self.transforms[number], self.size)
        return faces

    def visibility(self, face: np.ndarray, seconds: float) -> float:
        """How much of a face that was painted into a frame is to be shown: 0 where the mouth is occluded.

        Args:
            face: uint8 RGB [shape=(size, size, 3)].
            seconds: since the start of the speech.
        """
        place = self.place(seconds)
        return visibility(face, self.faces[place]) if self.opacity[place] else 1.0

    def with_face(self, face: np.ndarray, seconds: float, painted: float | None = None) -> np.ndarray:
        """A frame into which a generated face was put.

        Args:
            face: uint8 RGB [shape=(size, size, 3)].
            seconds: since the start of the speech.
            painted: for a face that was painted into the aligned one of this very frame, how much of it is shown, in
                0..1 (`visibility`); None for one that has not seen the frame.

        Returns:
            uint8 RGB [shape=(height, width, 3)], both even.
        """
        place = self.place(seconds)
        frame, transform, opacity = self.frames[place], self.transforms[place], self.opacity[place]
        if not opacity:
            return frame.copy()
        if painted is not None:
            return put_back(frame, face, painted * opacity * painted_mask(self.size)[..., 0], transform)
        return put_into(frame, face, self.faces[place], opacity, transform)


def open_source(
    path: Any,
    size: int,
    seconds: float | None,
    longest_side: int | None = LONGEST_SIDE,
    likeness: Likeness | None = None,
) -> Source:
    """Reads a picture or a video and finds the face in it.

    Args:
        path: of the file.
        size: of the model's faces in pixels.
        seconds: of the speech; no more of a video is read, and no more than LONGEST. None for unknown.
        longest_side: pixels to which a larger picture or video is shrunk; None keeps it.
        likeness: the `Likeness` by which another person than the model's speaker is noted, or None.

    Raises:
        InputError: the file cannot be read, or no frame shows a face that can be used (the reasons are named).
    """
    if is_picture(path):
        info, total = None, 1
        frames: Any = [(0.0, read_picture(path))]
    else:
        info = video_info(path)
        end = min(LONGEST, seconds or LONGEST)
        frames, total = read_frames(path, end=end), round(min(end, info.duration or end) * info.frame_rate)
    seen, faces = _Seen(longest_side), []
    with progress(total, "frame", "finding the face") as bar:
        frame_rate = 25.0 if info is None else info.frame_rate
        for face in extract_faces(seen.passed_on(frames), make_detector("mtcnn"), frame_rate, JUDGED_SIZE):
            faces.append(face)
            bar.update(1)
        bar.total = len(faces)
    if not faces:
        raise InputError(f"{path}: no frame could be read; give another picture or video")
    usable = np.array([not face.reason for face in faces])
    reasons = Counter(face.reason for face in faces if face.reason)
    why = "; ".join(f"{reason} in {count}" for reason, count in reasons.most_common())
    if not usable.any():
        if info is not None and (info.duration or 0) > (seconds := faces[-1].time) + 1:
            raise InputError(
                f"{path}: no frame of its first {seconds:.1f} s shows a usable face ({why}); "
                "cut the video so that it begins with the speaker's face"
            )
        raise InputError(
            f"{path}: no frame shows a usable face ({why}); "
            f"{remedy(reasons, 'give one large, sharp, frontal face of the speaker')}"
        )
    notes = []
    if info is not None and end == LONGEST and (info.duration or 0) > LONGEST:
        notes.append(f"{path}: its first {LONGEST:g} s are used, back and forth; cut the part you want for another")
    if seen.shrunk:
        (height, width), (written_height, written_width) = seen.full, seen.shape
        notes.append(
            f"{path}: {width}x{height} pixels, shrunk to {written_width}x{written_height}: the longest side of the "
            f"video is limited to {longest_side}"
        )
    if reasons:
        notes.append(f"{path}: {len(faces) - usable.sum()} of {len(faces)} frames show no usable face ({why})")
    if several := sum(face.faces > 1 for face in faces):
        notes.append(f"{path}: several faces in {several} of {len(faces)} frames; the largest one speaks")
    crops = [face.crop for face in faces if not face.reason]
    another = likeness is not None and likeness.is_another(crops)
    if another:
        notes.append(
            f"{path}: looks like another person than the model's speaker: mouth, chin and skin around them "
            "become that speaker's; give a picture or video of the speaker"
        )
    nearest = nearest_usable(usable)
    transforms = np.stack([of_scaled_frame(faces[index].transform, seen.found, seen.shape) for index in nearest])
    opacity = opacity_of(usable, seen.still_there(transforms, nearest))
    times = np.array([face.time for face in faces])
    stored = seen.kept if info is None else VideoFrames(path, times, seen.shape)
    transforms = np.stack([resized_transform(transform, size / JUDGED_SIZE) for transform in transforms])
    rest = int(np.flatnonzero(usable)[mouth_opening(np.stack(crops)).argmin()])
    return Source(str(path), times - times[0], stored, transforms, opacity, size, rest, another, tuple(notes))


class _Seen:
    """What is remembered of frames while the face is looked for in them.

    Attributes:
        full, shape, found: height and width of the frames as they are, as they are written, and as they are passed on.
        glances: grey pictures of GLANCE rows of all frames.
        kept: the first frame as it is written.
    """

    def __init__(self, longest_side: int | None) -> None:
        self._longest_side = longest_side
        self.full: Any = None
        self.shape: Any = None
        self.found: Any = None
        self._glance: Any = None
        self.glances: list = []
        self.kept: list = []

    @property
    def shrunk(self) -> bool:
        """Whether frames are written in fewer pixels than they have, but for an odd row or column."""
        return max(self.full) > max(self.shape) + 1

    def passed_on(self, frames: Iterator | list[tuple[float, np.ndarray]]) -> Iterator[Any]:
        """Passes frames (time, image) on, as they are written or smaller."""
        for time, image in frames:
            written = fitted(image, self._longest_side)
            if self.full is None:
                self.full, self.shape, self.kept = image.shape[:2], written.shape[:2], [written]
                self.found = fitted(written, FOUND_SIDE).shape[:2]
                self._glance = max(1, round(GLANCE * written.shape[1] / written.shape[0])), GLANCE
            self.glances.append(
                cv2.resize(cv2.cvtColor(written, cv2.COLOR_RGB2GRAY), self._glance, interpolation=cv2.INTER_AREA)
            )
            yield time, fitted(written, FOUND_SIDE)

    def still_there(self, transforms: np.ndarray, nearest: np.ndarray) -> np.ndarray:
        """Whether each frame shows the face where its nearest usable frame does [shape=(frames,)].

        Args:
            transforms: of those usable frames as they are written, to crops of JUDGED_SIZE [shape=(frames, 2, 3)].
            nearest: their numbers [shape=(frames,)].
        """
        there = np.ones(len(nearest), bool)
        for number in np.flatnonzero(nearest != np.arange(len(nearest))):
            transform = resized_transform(transforms[number], GLANCE_AT_FACE / JUDGED_SIZE)
            transform = of_scaled_frame(transform, self.shape, self._glance[::-1])
            one, other = (
                crop_face(self.glances[index], transform, GLANCE_AT_FACE).astype(float)
                for index in (number, nearest[number])
            )
            there[number] = np.abs(one - other).mean() < STILL_THERE
        return there


def is_picture(path: str | Path) -> bool:
    """Whether a file is a PNG, JPEG, BMP or WebP picture, or is named like one.

    Raises:
        InputError: there is no such file.
    """
    check_is_file(path)
    with open(path, "rb") as file:
        first = file.read(12)
    named = Path(path).suffix.lower() in PICTURES
    return named or any(re.match(begin, first, re.DOTALL) for begin in FIRST_BYTES)


def nearest_usable(usable: np.ndarray) -> np.ndarray:
    """For each frame the usable one nearest in time [shape=(frames,)]."""
    places = np.flatnonzero(usable)
    return places[np.abs(np.arange(len(usable))[:, None] - places).argmin(axis=1)]


def opacity_of(usable: np.ndarray, still_there: np.ndarray) -> np.ndarray:
    """How much of the face each frame shows: all through short gaps, fading into and out of longer ones.

    Args:
        usable: bool, at least one true [shape=(frames,)].
        still_there: whether a frame shows the same picture around the face as the nearest usable one [shape=(frames,)];
            where it does not, as behind a cut, and beyond, nothing of the face is shown.
    """
    count = len(usable)
    nearest = nearest_usable(usable)
    away = np.abs(np.arange(count) - nearest)
    edges = np.flatnonzero(np.diff(np.concatenate([[1], usable.astype(int), [1]])))
    opacity = np.ones(count)
    for first, end in zip(edges[::2], edges[1::2], strict=True):
        if end - first > SHORT_GAP:
            opacity[first:end] = np.maximum(0, 1 - away[first:end] / FADE)
    for number in np.flatnonzero(~usable):
        towards = slice(nearest[number] + 1, number + 1) if nearest[number] < number else slice(number, nearest[number])
        opacity[number] *= still_there[towards].all()
    return opacity
