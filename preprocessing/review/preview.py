"""A short video of a dataset, to see and hear whether faces, landmarks and speech belong together."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import cv2
import numpy as np

from media.reading import SPEECH_FILES, SPEECH_RATE, sound_duration, stream_speech
from media.writing import SOUND_RATE, TalkingVideo, write_wav
from preprocessing.dataset import Clip, Dataset
from preprocessing.review.survey import landmarks_in_crop
from preprocessing.speech.voice_activity import CHUNK_SECONDS, VOICED, voice_activity
from runtime.errors import InputError
from runtime.files import atomic_write, scratch_folder

MOST_CLIPS = 6
MOST_SECONDS = 12.0  # of all clips together, so that writing it takes two seconds on two cores
SIDE = 384  # pixels of the enlarged face
PANEL = 72  # pixels of the panel below it
BASELINE, BAR_TOP, BAR_BOTTOM, MARGIN = 22, 32, 66, 10  # of text and voice in the panel, pixels
FONT, FONT_SCALE = cv2.FONT_HERSHEY_SIMPLEX, 0.5
TIME_WIDTH = 90  # pixels on the right, for the time
BACKGROUND, TEXT, CURSOR = (24, 24, 28), (235, 235, 235), (255, 255, 255)
VOICE, NO_VOICE, LANDMARK = (80, 200, 120), (100, 100, 110), (255, 225, 40)
COMMENT = "Preview of a dataset of Audio2Faces: faces and speech as recorded, nothing in it is generated."


@dataclass(frozen=True)
class Excerpt:
    """The part of a clip that is shown.

    Attributes:
        clip: a `dataset.Clip`.
        start: in seconds of the clip.
        frames: of the preview.
        frame_rate: of the preview.
    """

    clip: Clip
    start: float
    frames: int
    frame_rate: float

    @property
    def seconds(self) -> float:
        """How long it lasts."""
        return self.frames / self.frame_rate

    def sound(self, sample_rate: int) -> np.ndarray:
        """Its speech, exactly as long as its frames: float32 mono [shape=(samples,)]."""
        path = self.clip.folder / SPEECH_FILES[sample_rate]
        samples = np.zeros(round(self.seconds * sample_rate), np.float32)
        position = 0
        for part in stream_speech(path, sample_rate, self.start, duration=self.seconds):
            part = part[: len(samples) - position]
            samples[position : position + len(part)] = part
            position += len(part)
        return samples


def write_preview(dataset: Dataset) -> None:
    """Writes preview.mp4: clips spread evenly over the dataset, of a long one its middle.

    The face is enlarged; the landmarks stand where they were detected, so they tremble against the smooth crop. Where
    no face was kept the last one shows, darkened. The bar below is the probability of voice, green where it counts as
    voice. A damaged clip is left out with a line on stderr.

    Raises:
        InputError: the dataset's folder cannot be written.
    """
    excerpts = _choose(dataset)
    if not excerpts:
        return
    path = dataset.folder / "preview.mp4"
    with (
        scratch_folder(dataset.folder, path) as scratch,
        atomic_write(path) as partial,
        TalkingVideo(partial, SIDE, dataset.frame_rate, COMMENT, SIDE + PANEL) as video,
    ):
        for excerpt in excerpts:
            write_wav(scratch / "speech.wav", excerpt.sound(SPEECH_RATE), SPEECH_RATE)
            pictures = draw_excerpt(excerpt, voice_activity(scratch / "speech.wav"))
            parts = int(np.ceil(excerpt.seconds))  # about a second each, so that picture and sound grow together
            for indices, samples in zip(
                np.array_split(np.arange(excerpt.frames), parts),
                np.array_split(excerpt.sound(SOUND_RATE), parts),
                strict=True,
            ):
                video.write_faces(next(pictures) for _ in indices)
                video.write_sound(samples)


def _choose(dataset: Dataset) -> list[Excerpt]:
    """The excerpts to show, of at most MOST_CLIPS clips and MOST_SECONDS."""
    clips = dataset.clips
    chosen = np.linspace(0, len(clips) - 1, min(MOST_CLIPS, len(clips))).round().astype(int)
    excerpts = []
    for clip in (clips[index] for index in chosen):
        try:
            _ = clip.faces, clip.landmarks, [sound_duration(clip.folder / file) for file in SPEECH_FILES.values()]
        except InputError as error:
            print(f"not in the preview: {error}", file=sys.stderr)
            continue
        length = clip.entry["end"] - clip.entry["start"]
        seconds = min(length, MOST_SECONDS / len(chosen))
        frames = max(1, round(seconds * dataset.frame_rate))
        excerpts.append(Excerpt(clip, (length - seconds) / 2, frames, dataset.frame_rate))
    return excerpts


def draw_excerpt(excerpt: Excerpt, voice: np.ndarray) -> Iterator[Any]:
    """Draws the pictures of an excerpt.

    Args:
        excerpt: an `Excerpt`.
        voice: probability of voice during it, as `speech.voice_activity` gives it [shape=(chunks,)].

    Yields:
        uint8 RGB [shape=(SIDE + PANEL, SIDE, 3)].
    """
    clip, frame_rate = excerpt.clip, excerpt.frame_rate
    panel = _draw_panel(excerpt, voice)
    landmarks = landmarks_in_crop(clip)
    longest = 0.75 / min(frame_rate, clip.entry["fps"])  # seconds that a face shows before it counts as held
    for number in range(excerpt.frames):
        time = excerpt.start + number / frame_rate
        latest = max(0, int(np.searchsorted(clip.times, time + 0.5 / frame_rate)) - 1)
        face = cv2.resize(clip.faces[latest], (SIDE, SIDE), interpolation=cv2.INTER_CUBIC)
        picture = np.concatenate([face, panel])
        if abs(time - clip.times[latest]) > longest:
            picture[:SIDE] //= 3
            _write(picture, "no usable face", MARGIN, SIDE - MARGIN)
        else:
            _draw_landmarks(picture, (landmarks[latest] + 0.5) * SIDE / len(clip.faces[latest]) - 0.5)
        _write(picture, f"{time:6.2f} s", SIDE - 80, SIDE + BASELINE)
        cursor = round(number / excerpt.frames * SIDE)
        picture[SIDE + BAR_TOP - 2 : SIDE + BAR_BOTTOM + 2, cursor : cursor + 2] = CURSOR
        yield picture


def _draw_panel(excerpt: Excerpt, voice: np.ndarray) -> np.ndarray:
    """What stands below the face all the time: the clip's name and the bar of voice."""
    panel = np.full((PANEL, SIDE, 3), BACKGROUND, np.uint8)
    _write(panel, _caption(excerpt.clip), MARGIN, BASELINE)
    chunks = (np.arange(SIDE) / SIDE * excerpt.seconds / CHUNK_SECONDS).astype(int)
    probability = np.append(voice, np.zeros(max(0, chunks[-1] + 1 - len(voice))))[chunks]
    height = np.maximum(1, (probability * (BAR_BOTTOM - BAR_TOP)).round())
    filled = np.arange(BAR_BOTTOM - BAR_TOP)[::-1, None] < height
    colours = np.where(probability[:, None] > VOICED, VOICE, NO_VOICE)
    panel[BAR_TOP:BAR_BOTTOM] = np.where(filled[:, :, None], colours, BACKGROUND)
    return panel


def _caption(clip: Clip) -> str:
    """Name and split of a clip; a name too long for its place loses its middle."""
    shown, kept, split = clip.name, len(clip.name), f"  ({clip.entry['split']})"
    while _width(shown + split) > SIDE - MARGIN - TIME_WIDTH and kept > 4:
        kept -= 1
        shown = f"{clip.name[: kept // 2]}...{clip.name[-(kept - kept // 2) :]}"
    return shown + split


def _width(text: str) -> int:
    return cv2.getTextSize(text, FONT, FONT_SCALE, 1)[0][0]


def _draw_landmarks(picture: np.ndarray, points: np.ndarray) -> None:
    for x, y in (points * 16).round().astype(int).tolist():  # sixteenths of a pixel, or the dots would jump
        cv2.circle(picture, (x, y), 4 * 16, LANDMARK, 2, cv2.LINE_AA, shift=4)


def _write(picture: np.ndarray, text: str, left: int, baseline: int) -> None:
    cv2.putText(picture, text, (left, baseline), FONT, FONT_SCALE, TEXT, 1, cv2.LINE_AA)
