"""One video, or one interval of it, extracted to disk as a whole, before it is cut into clips.

Everything is written as it comes, so that an hour of video needs no more memory than a minute.
"""

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from media.reading import (
    SPEECH_FILES,
    SPEECH_RATE,
    joined_duration,
    read_frames,
    sound_level,
    stream_speech,
    video_info,
)
from media.sound import QUIET, gain_of
from media.writing import write_wav
from preprocessing.faces.extraction import extract_faces
from runtime.errors import InputError

# A row for each frame; of a dropped one only time, faces and cut mean something. `crop` is its number among the crops.
FRAME = np.dtype(
    [
        ("time", "f8"),
        ("reason", "i2"),
        ("faces", "i2"),
        ("cut", "?"),
        ("score", "f4"),
        ("landmarks", "f4", (5, 2)),
        ("transform", "f8", (2, 3)),
        ("crop", "i8"),
    ]
)


@dataclass(frozen=True)
class Recording:
    """What was extracted.

    Attributes:
        folder: holds speech.wav and speech_44k.wav.
        frame_rate: frames per second.
        frames: structured array of FRAME [shape=(frames,)].
        crops: path of the aligned faces, one after the other: uint8 RGB, size x size x 3 each.
        size: side of the crops in pixels.
        reasons: texts that the column `reason` counts off; the first is "", for frames that are kept.
        damage: what could not be decoded, and what was wrong with the sound, with counts.
    """

    folder: Path
    frame_rate: float
    frames: np.ndarray
    crops: Path
    size: int
    reasons: tuple
    damage: dict

    def frame_reasons(self) -> np.ndarray:
        """For each frame why it is dropped, or "" [shape=(frames,)]."""
        return np.array(self.reasons)[self.frames["reason"]]


def record(
    picture: Any,
    sound: str | Path,
    folder: Path,
    size: int,
    detector: Any,
    start: float = 0.0,
    end: Any = None,
    exact: bool = False,
    advance: Callable = lambda seconds: None,
) -> Recording:
    """Extracts faces and speech of a video into a folder.

    Args:
        picture: path of the video.
        sound: path of its sound, the same file or another one.
        folder: an empty folder.
        size: side of the face crops in pixels.
        detector: a `detection.Detector`.
        start: of the interval, in seconds.
        end: of the interval; None for the whole video.
        exact: detect in every frame, without tracking.
        advance: called now and then with the seconds of video that have been done since the last call.

    Returns:
        a `Recording`.

    Raises:
        InputError: the video cannot be read, has no sound, or ends before the interval.
    """
    info = video_info(picture)
    latest = np.inf if info.duration is None else info.duration + 1 / info.frame_rate
    if end is not None and end > latest and end > (lasts := joined_duration(picture) or info.duration):
        raise InputError(f"{picture}: lasts {lasts:.2f} s, the interval ends at {end:.2f} s; shorten it")
    gain, damage = gain_of(sound_level(sound, enough=QUIET))
    for rate, name in SPEECH_FILES.items():
        noticed = damage if rate == SPEECH_RATE else []  # once is enough
        duration = None if end is None else end - start
        blocks = (gain * samples for samples in stream_speech(sound, rate, info.start + start, noticed, duration))
        if not write_wav(folder / name, blocks, rate):
            raise InputError(f"{sound}: its audio track is empty{' there' if end else ''}; give a file with sound")
    reasons = [""]
    crops = seconds = 0
    with open(folder / "crops.raw", "wb") as crop_file, open(folder / "frames.raw", "wb") as frame_file:
        frames = read_frames(picture, damage, start, end)
        for face in extract_faces(frames, detector, info.frame_rate, size, exact):
            row = np.zeros((), FRAME)
            row["time"], row["faces"], row["score"] = face.time, face.faces, face.score
            if face.reason not in reasons:
                reasons.append(face.reason)
            row["cut"] = face.cut
            row["reason"] = reasons.index(face.reason)
            if face.crop is not None:
                row["landmarks"], row["transform"], row["crop"] = face.landmarks, face.transform, crops
                crop_file.write(face.crop.tobytes())
                crops += 1
            frame_file.write(row.tobytes())
            if face.time >= seconds + 1:
                advance(1)
                seconds += 1
    rows = np.fromfile(folder / "frames.raw", FRAME)
    return Recording(folder, info.frame_rate, rows, folder / "crops.raw", size, tuple(reasons), dict(Counter(damage)))
