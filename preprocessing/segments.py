"""Finds the parts of a video in which one person is seen and heard speaking."""

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import numpy as np

from preprocessing.speech.voice_activity import CHUNK_SECONDS, VOICED

MARGIN = 0.25  # seconds kept before the first and after the last voiced moment: lips move before they sound
LONGEST_PAUSE = 0.6  # seconds without voice that do not end a segment
LONGEST_LOSS = 0.2  # seconds without a usable face that do not end a segment
SHORTEST = 1.0  # seconds; a shorter segment holds no sentence
LONGEST = 20.0  # seconds; a longer one is cut where the voice is weakest, so that splits by clip stay fine

SEGMENTS = ("auto", "speech", "whole")  # the ways to cut a video into clips

NOT_SPEAKING = "no voice"
SEVERAL_FACES = "several faces"
TOO_SHORT = f"part shorter than {SHORTEST:g} s"


@dataclass(frozen=True)
class Segment:
    """Part of a video, in seconds since its start."""

    start: float
    end: float


def find_segments(
    times: np.ndarray | Sequence,
    reasons: np.ndarray | Sequence,
    faces: np.ndarray | Sequence,
    voice: np.ndarray | Sequence,
    cuts: np.ndarray | Sequence = (),
) -> tuple:
    """Finds the speaking parts of a video.

    Args:
        times: of the frames, in seconds [shape=(n,)].
        reasons: for each frame why its face is not usable, or "".
        faces: number of faces in each frame [shape=(n,)].
        voice: probability of voice as `speech.voice_activity` gives it [shape=(chunks,)].
        cuts: indices of frames with which another scene or person begins: there a segment ends.

    Returns:
        (segments, seconds): a list of `Segment`, and how many seconds of the video were left out for each reason.
    """
    times = np.asarray(times, float)
    if not len(times):
        return [], {}
    silence = int(times[-1] / CHUNK_SECONDS) + 1 - len(voice)  # where the sound ends before the picture
    voice = np.concatenate([voice, np.zeros(max(silence, 0))])
    frame_seconds = np.median(np.diff(times)) if len(times) > 1 else 1.0
    why = np.array(
        [reason or (SEVERAL_FACES if count > 1 else "") for reason, count in zip(reasons, faces, strict=True)]
    )
    seen = _bridged(why == "", round(LONGEST_LOSS / frame_seconds))
    voiced = _bridged(voice > VOICED, round(LONGEST_PAUSE / CHUNK_SECONDS))
    voiced = _widened(voiced, round(MARGIN / CHUNK_SECONDS))
    spoken = voiced[(times / CHUNK_SECONDS).astype(int)]
    kept = np.zeros(len(times), bool)
    segments = []
    for first, end in _parted(_stretches(seen & spoken), cuts):
        whole = Segment(float(times[first]), float(times[end - 1] + frame_seconds))
        for part in cut_segment(whole, voice, LONGEST):
            if part.end - part.start >= SHORTEST:
                segments.append(part)
                kept |= (times >= part.start) & (times < part.end)
    left_out = np.where(why != "", why, np.where(spoken, TOO_SHORT, NOT_SPEAKING))[~kept]
    seconds = Counter(left_out.tolist())
    return segments, {reason: round(count * float(frame_seconds), 2) for reason, count in seconds.items()}


def cut_segment(segment: Segment, voice: Any, longest: float) -> list[Segment]:
    """A segment cut where the voice is weakest, near its middle, and again while a piece is too long.

    Args:
        segment: a `Segment`.
        voice: as in `find_segments`, of the whole video.
        longest: seconds of a piece; none is shorter than a third of it.

    Returns:
        list of `Segment` without gaps between them.
    """
    start, end = segment.start, segment.end
    if end - start <= longest:
        return [segment]
    # Not at the ends: each piece is to keep a third.
    first, last = (round((start + share * (end - start)) / CHUNK_SECONDS) for share in (1 / 3, 2 / 3))
    around = np.pad(voice, (2, max(0, last - len(voice)) + 2), mode="edge")[first : last + 4]
    weak = np.convolve(around, np.ones(5) / 5, "valid") + 1e-3 * np.abs(np.linspace(-1, 1, last - first))
    middle = float((first + weak.argmin() + 0.5) * CHUNK_SECONDS)
    return [
        piece for part in (Segment(start, middle), Segment(middle, end)) for piece in cut_segment(part, voice, longest)
    ]


def _stretches(flags: np.ndarray) -> list[tuple[int, int]]:
    """(first, end) of each run of true values; `end` is the index after its last."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]).astype(int)))
    return list(zip(edges[::2].tolist(), edges[1::2].tolist(), strict=True))


def _parted(stretches: list[tuple[int, int]], places: np.ndarray | Sequence) -> Iterator[Any]:
    """The stretches, those with one of the places inside parted there."""
    for first, end in stretches:
        yield from pairwise([first, *(place for place in places if first < place < end), end])


def _bridged(flags: np.ndarray, longest_gap: int) -> np.ndarray:
    """Flags with gaps between two true runs filled if they are not longer than that."""
    result = flags.copy()
    runs = _stretches(flags)
    for (_, end), (first, _) in pairwise(runs):
        if first - end <= longest_gap:
            result[end:first] = True
    return result


def _widened(flags: np.ndarray, margin: int) -> np.ndarray:
    result = flags.copy()
    for first, end in _stretches(flags):
        result[max(first - margin, 0) : end + margin] = True
    return result
