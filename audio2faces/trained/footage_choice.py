"""Chooses the piece of the speaker's footage that a model carries, and cuts it out of its source."""

import os
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path

import numpy as np

from audio2faces.lower_face import upper_face
from audio2faces.trained.footage import PICTURES, Footage
from media.pictures import fitted
from media.reading import read_frames
from media.writing import write_pictures
from preprocessing.dataset import Clip, Dataset
from preprocessing.faces.alignment import of_scaled_frame
from preprocessing.faces.detection import LEFT_EYE, NOSE, RIGHT_EYE
from preprocessing.faces.pose import yaw
from preprocessing.flip.mirror import is_mirrored
from preprocessing.sources.download import recorded
from preprocessing.sources.listing import is_url
from runtime.errors import InputError, error_text
from runtime.files import atomic_write, sha256
from runtime.progress import with_progress
from training.frames import frame_numbers

LONGEST = 8.0  # seconds
SHORTEST = 0.5
CANDIDATES = 120  # clips that are looked at
LARGEST_SIDE = 1280  # pixels, to which larger footage is shrunk
LARGEST_FILE = 3_000_000  # bytes
QUALITIES = (18, 22, 26, 30)  # constant rate factors of H.264, the first that gives a small enough file
TURNING = 0.15  # share of a piece at either end in which it may turn back
# What makes a piece worse, in the same unit: a head turned aside by an eye distance; a step of the head from frame to
# frame, in eye distances; a second that is missing to LONGEST.
TURNED, MOVED, SHORT = 4.0, 40.0, 0.1
JUMP = 0.15  # step of the head, in eye distances, that no head makes: a cut, at which a piece ends


class MissingSourceError(InputError):
    """The source of a clip was moved, deleted or changed."""


def cut_footage(dataset: Dataset, loudness: dict[str, np.ndarray], folder: Path) -> Footage | None:
    """Chooses a piece of the training clips and writes it.

    The head is calm and frontal; at both ends, where it is played back, it rests and the eyes are open.

    Args:
        dataset: whose sources are still there.
        loudness: of the speech at each frame of each training clip, by its name.
        folder: that the video is written into.

    Returns:
        `Footage`; None where no source of a clip can be read any more, or none has SHORTEST seconds without a gap.

    Raises:
        OSError: the video cannot be written.
    """
    clips = [clip for clip in dataset.split("train") if not is_mirrored(clip)]
    some = clips[:: -(-len(clips) // CANDIDATES) or 1]
    pieces = [piece for clip in with_progress(some, "clip", "choosing footage") for piece in _pieces(clip)]
    for _, clip, first, end in sorted(pieces, key=lambda piece: piece[0]):
        rest = int(loudness[clip.name][first:end].argmin())
        try:
            return _written(clip, first, end, rest, folder)
        except MissingSourceError:
            continue
    return None


def _pieces(clip: Clip) -> Iterator[tuple[float, Clip, int, int]]:
    """(what speaks against it, clip, first frame, end) of the pieces of a clip."""
    rate, numbers = clip.entry["fps"], frame_numbers(clip)
    landmarks = clip.landmarks
    faces = np.stack([upper_face(face) for face in clip.faces]).astype(np.float32)
    eye_distance = np.linalg.norm(landmarks[:, RIGHT_EYE] - landmarks[:, LEFT_EYE], axis=-1).mean()
    still = landmarks[:, [LEFT_EYE, RIGHT_EYE, NOSE]].mean(axis=1) / eye_distance
    steps = np.linalg.norm(np.diff(still, axis=0), axis=-1)
    length, least = round(LONGEST * rate), round(SHORTEST * rate)
    for sequence in np.split(np.arange(len(numbers)), np.flatnonzero((np.diff(numbers) > 1) | (steps > JUMP)) + 1):
        for start in range(0, max(1, len(sequence) - length + 1), max(1, length // 2)):
            part = sequence[start : start + length]
            if len(part) < least:
                continue
            first, end = _turning_points(part, faces, steps)
            turned = float(np.abs(yaw(landmarks[first:end])).mean())
            moved, missing = float(steps[first : end - 1].mean()), LONGEST - (end - first) / rate
            yield TURNED * turned + MOVED * moved + SHORT * missing, clip, first, end


def _turning_points(part: np.ndarray, faces: np.ndarray, steps: np.ndarray) -> tuple[int, int]:
    """First frame and end of the piece of some frames whose ends are as calm, and as usual to look at, as can be."""
    reach = max(2, round(TURNING * len(part)))
    usual = np.median(faces[part], axis=0)

    def unrest(frame: int) -> float:
        before, after = max(frame - 1, part[0]), min(frame + 1, part[-1])
        changes = np.abs(faces[after] - faces[before]).mean() / max(after - before, 1)
        moved = steps[before:after].mean() * 100
        return float(changes + moved + np.abs(faces[frame] - usual).mean() / 4)

    first, last = (min(ends.tolist(), key=unrest) for ends in (part[:reach], part[-reach:]))
    return first, last + 1


def source_pictures(clip: Clip, first: int, end: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The pictures that faces of a clip were cropped from, shrunk to LARGEST_SIDE.

    Args:
        clip: of a dataset.
        first: number of the first face.
        end: number of the face after the last one.

    Yields:
        (picture, transform): uint8 RGB [shape=(height, width, 3)], both even; from it to the aligned face
        [shape=(2, 3)].

    Raises:
        MissingSourceError: the source cannot be read any more, or holds other frames.
    """
    location, half = clip.entry["source"], 0.5 / clip.entry["fps"]
    path = Path(location)
    if is_url(location):
        fetched = recorded(location, clip.folder.parent.parent / "downloads")
        if fetched is None:
            raise MissingSourceError(f"{location}: no longer among the downloads of the dataset; prepare it again")
        path = fetched.picture
    changed = MissingSourceError(f"{path}: its frames are no longer those of {clip.name}; prepare it again")
    digest = _digest(path)
    if clip.entry.get("sha256") not in (None, digest):
        raise changed
    start, moments = clip.entry["start"] + clip.times[first], clip.times[first:end] - clip.times[first]
    transforms = clip.track["transform"][first:end]
    number = 0
    for found, image in _frames(path, start, start + moments[-1] + 2 * half):
        if number < len(moments) and abs(found - moments[number]) <= half:
            picture = fitted(image, LARGEST_SIDE)
            yield picture, of_scaled_frame(transforms[number], image.shape[:2], picture.shape[:2])
            number += 1
    if number < len(moments):
        raise changed


def _frames(path: Path, start: float, end: float) -> Iterator[tuple[float, np.ndarray]]:
    try:
        yield from read_frames(path, [], start, end)
    except (InputError, OSError) as error:
        raise MissingSourceError(error_text(error)) from error


def _digest(path: Path) -> str:
    try:
        return _digest_of(path, os.stat(path).st_mtime_ns)
    except OSError as error:
        raise MissingSourceError(error_text(error)) from error


@lru_cache
def _digest_of(path: Path, modified: int) -> str:
    """SHA-256 of a file, read once for each time that it was modified."""
    return sha256(path)


def _written(clip: Clip, first: int, end: int, rest: int, folder: Path) -> Footage:
    """Writes a piece of a clip, of which `rest` is the number of its quietest frame.

    Raises:
        MissingSourceError: its source cannot be read.
        OSError: the video cannot be written.
    """
    path, rate, places, shapes = folder / PICTURES, clip.entry["fps"], [], []

    def pictures() -> Iterator[np.ndarray]:
        places.clear()
        for picture, transform in source_pictures(clip, first, end):
            places.append(transform)
            shapes.append(picture.shape[:2])
            yield picture

    with atomic_write(path) as partial:
        for quality in QUALITIES:
            write_pictures(partial, pictures(), rate, quality)
            if partial.stat().st_size <= LARGEST_FILE:
                break
    return Footage(path, np.arange(end - first) / rate, np.stack(places), rest, shapes[0])
