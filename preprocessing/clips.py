"""Turns one source into clips of a dataset: extracts it as a whole, then cuts out the parts worth keeping."""

import contextlib
import wave
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import av
import numpy as np

from media.reading import SPEECH_FILES, SPEECH_RATE, last_audible, sound_duration
from media.sound import ENDS_EARLY, SILENT
from preprocessing.dataset import files_digest
from preprocessing.faces.detectors import make_detector
from preprocessing.faces.quality import remedy
from preprocessing.recording import Recording, record
from preprocessing.segments import SHORTEST, Segment, cut_segment, find_segments
from preprocessing.sources.intervals import clip_name
from preprocessing.speech.voice_activity import voice_activity
from preprocessing.split_by_time import DIVIDED_FROM, GAP_REASON, TOLERANCE, Part, divide
from runtime.errors import InputError
from runtime.files import atomic_folder, scratch_folder, sha256, write_json
from runtime.interrupts import raise_if_interrupted

FEWEST_FRAMES = 5  # a clip with fewer faces teaches nothing
TOO_FEW = f"fewer than {FEWEST_FRAMES} frames"
SHORTEST_BY_HAND = 0.2  # seconds that a gap between splits must leave of an interval
ROUNDING = 1e-6  # seconds
LEAST_MISSING = 0.3  # seconds by which a sound ends early
LONGEST_SILENCE = 1.0  # seconds at the end without even noise, as of a microphone that was switched off
LONGEST_PIECE = 3.0  # seconds; between such pieces of its segments a recording is divided among the splits


@dataclass(frozen=True)
class Settings:
    """What decides how clips come out; a source is done again where it changes."""

    size: int = 64  # side of the face crops in pixels
    detector: str = "mtcnn"
    segments: str = "auto"  # "whole", "speech" (the parts in which one person is seen and heard speaking), or by length
    exact: bool = False  # detect in every frame, without tracking


@dataclass(frozen=True)
class SourceTask:
    """One source to prepare: plain values, so that it can be sent to another process or machine."""

    dataset: str  # folder of the dataset
    name: str  # of the source; the names of its clips begin with it
    location: str  # path or address, as the user gave it
    picture: str  # path of the video
    sound: str  # path of its sound, mostly the same file
    sha256: str  # of these files, see `content_hash`
    intervals: tuple  # (start, end) in seconds, () for the whole video
    settings: Settings  # whose segments are "speech" or "whole"
    details: dict = field(default_factory=dict)  # what else the record tells: downloader, title, ...
    names: tuple = ()  # of the clips of the intervals, None for one that is named by source and times; () for all None
    divided: bool = True  # among the splits, where it is long enough


@dataclass(frozen=True)
class _Take:
    """One interval of a source, extracted: its number, where it starts in the source, what becomes clips."""

    recording: Recording
    index: int
    start: float
    segments: list
    voice: np.ndarray | None  # where segments are sought

    @property
    def seconds(self) -> float:
        """How long it is."""
        times = self.recording.frames["time"]
        return float(times[-1]) + 1 / self.recording.frame_rate if len(times) else 0.0


def prepare_source(task: Any, advance: Any = lambda seconds: None) -> dict[str, Any]:
    """Makes the clips of one source and, when they are whole, its record `sources/NAME.json`.

    Args:
        task: a `SourceTask`.
        advance: as in `recording.record`.

    Returns:
        the record (docs/formats.md); its `left_out` says in one line each why the source, or an interval of it, gave
        no clip.

    Raises:
        OSError: a file cannot be written, as on a full disk.
    """
    clips, left_out, odd, takes = [], [], [], []
    skipped: Any = Counter()
    with contextlib.ExitStack() as scratch:
        for index, (start, end) in enumerate(task.intervals or ((0.0, None),)):
            with _leaving_out(task, left_out, odd):
                take, seconds = _take(task, index, start, end, scratch, advance)
                takes.append(take)
                skipped.update(seconds)
        for take, part in _parts(task, takes, skipped):
            with _leaving_out(task, left_out, odd):
                try:
                    clips.append(_write_clip(task, take, part, clips))
                except _TooFew:
                    if task.settings.segments == "whole":
                        raise
                    skipped[TOO_FEW] += part.seconds
    result = {
        "name": task.name,
        "location": task.location,
        "sha256": task.sha256,
        "intervals": [list(interval) for interval in task.intervals],
        "names": list(task.names),
        "settings": asdict(task.settings),
        **task.details,
        "again": bool(odd),  # on the next run, as it may not be the source's fault
        "seconds_not_kept": {reason: round(seconds, 2) for reason, seconds in skipped.items()},
        "left_out": left_out,
        "clips": clips,
    }
    write_json(Path(task.dataset) / "sources" / f"{task.name}.json", result)
    return result


def content_hash(picture: str, sound: str, advance: Callable = lambda count: None) -> str:
    """SHA-256 of a source's files: of the video, or of video and sound where they are two.

    Args:
        picture: path of the video.
        sound: path of its sound.
        advance: called with the number of bytes that have been read since the last call.
    """
    return "+".join(sha256(path, advance) for path in dict.fromkeys((picture, sound)))


def name_stems(name: str, intervals: tuple, names: tuple) -> list[str]:
    """What the names of the clips of each interval of a source begin with: its own name, or that of the source.

    Args:
        name: of the source.
        intervals: of the source, () for the whole video.
        names: of the intervals, None for one without; () for all None.
    """
    return [of_interval or name for of_interval in names or (None,) * max(1, len(intervals))]


def clip_names(name: str, intervals: tuple, names: tuple) -> list[str]:
    """The name of the clip of each interval of a source, as one clip; arguments as in `name_stems`.

    That of the interval; with its times where it is the name of several, or where it has none.
    """
    if not intervals:
        return [name]
    stems = name_stems(name, intervals, names)
    return [
        stem if of_interval and stems.count(stem) == 1 else clip_name(stem, *interval)
        for stem, of_interval, interval in zip(stems, names or (None,) * len(stems), intervals, strict=True)
    ]


@lru_cache
def _detector(name: str) -> Any:
    """One detector for all sources of a process: its networks take seconds to load."""
    return make_detector(name)


class _TooFew(InputError):
    """Too few frames of a part show a usable face."""


@contextlib.contextmanager
def _leaving_out(task: SourceTask, left_out: list[str], odd: list) -> Iterator[Any]:
    """Lets what is wrong with a part of a source cost that part alone: a line in `left_out`, and in `odd` if odd."""
    try:
        yield
    except (InputError, av.error.FFmpegError) as error:
        raise_if_interrupted()
        left_out.append(" ".join(str(error).split()))
    except OSError:
        raise  # the disk's fault, not the source's
    except Exception as error:  # one odd source must not end a job of hours
        raise_if_interrupted()
        odd.append(f"{task.location}: {type(error).__name__}: {' '.join(str(error).split())}; please report it")
        left_out.append(odd[-1])


def _take(task: SourceTask, index: int, start: float, end: float | None, scratch: Any, advance: Callable) -> tuple:
    """(`_Take`, seconds not kept by reason) of one interval; `end` is None for the whole video.

    Args:
        task: the `SourceTask`.
        index: of the interval.
        start: of the interval, in seconds.
        end: of the interval.
        scratch: `contextlib.ExitStack` that removes what is extracted.
        advance: as in `recording.record`.
    """
    settings, clips = task.settings, Path(task.dataset) / "clips"
    folder = scratch.enter_context(scratch_folder(clips, clips / task.name))
    detector = _detector(settings.detector)
    recording = record(task.picture, task.sound, folder, settings.size, detector, start, end, settings.exact, advance)
    if settings.segments == "whole":
        take = _Take(recording, index, start, [Segment(0.0, np.inf)], None)
        _frames_of(task, recording, take.segments[0])  # or an error: the splits count on what becomes a clip
        return take, {}
    voice = voice_activity(folder / "speech.wav")
    frames = recording.frames
    segments, skipped = find_segments(
        frames["time"], recording.frame_reasons(), frames["faces"], voice, np.flatnonzero(frames["cut"])
    )
    if not segments:
        why = ", ".join(f"{reason} {seconds:g} s" for reason, seconds in skipped.items()) or "no picture"
        raise InputError(
            f"{task.location}: no part shows one person speaking ({why}); "
            f"{remedy(Counter(skipped), 'give intervals by hand')}"
        )
    return _Take(recording, index, start, segments, voice), skipped


def _parts(task: SourceTask, takes: list[_Take], skipped: Any) -> list[tuple[_Take, Part]]:
    """The (take, `Part`) of each clip, in the order of time; what gaps between splits cost is added to `skipped`."""
    whole = task.settings.segments == "whole"
    enough = task.divided and sum(take.seconds for take in takes) >= DIVIDED_FROM - TOLERANCE
    parts, take_of = [], {}
    for take in takes:
        for segment in take.segments:
            number = len(take_of)
            take_of[number] = take
            pieces = cut_segment(segment, take.voice, LONGEST_PIECE) if enough and not whole else [segment]
            for piece in pieces:
                end = min(piece.end, take.seconds)
                parts.append(Part(take.start + piece.start, take.start + end, number))
    before = sum(part.seconds for part in parts)
    if enough:
        parts = divide(parts, SHORTEST_BY_HAND if whole else SHORTEST)
        if (lost := before - sum(part.seconds for part in parts)) > 0.005:
            skipped[GAP_REASON] += lost
    return [(take_of[part.piece_of], part) for part in parts]


def _frames_of(task: SourceTask, recording: Recording, segment: Segment) -> tuple:
    """(all frames, usable frames, Counter of the reasons of the others) of a part of a recording.

    Raises:
        _TooFew: too few are usable.
    """
    times = recording.frames["time"]
    inside = (times >= segment.start - ROUNDING) & (times < segment.end - ROUNDING)
    frames = recording.frames[inside]
    dropped = Counter(reason for reason in recording.frame_reasons()[inside].tolist() if reason)
    kept = frames[frames["reason"] == 0]
    if len(kept) < FEWEST_FRAMES:
        why = "; ".join(f"{reason} in {count}" for reason, count in dropped.items()) or f"a clip needs {FEWEST_FRAMES}"
        raise _TooFew(
            f"{task.location}: only {len(kept)} of {len(frames)} frames show a usable face ({why}); "
            f"{remedy(dropped, 'give a video with one large, frontal face')}"
        )
    return frames, kept, dropped


def _write_clip(task: SourceTask, take: _Take, part: Part, others: list[dict[str, Any]]) -> dict[str, Any]:
    """Writes faces.npy, track.npz and the speech of one part of a take, all of them or none.

    Returns:
        the clip's entry for the manifest, but for split and licence.

    Raises:
        InputError: another clip has the name.
        _TooFew: too few of its frames show a usable face.
    """
    recording, name = take.recording, clip_names(task.name, task.intervals, task.names)[take.index]
    if task.settings.segments == "speech":
        name = clip_name(name_stems(task.name, task.intervals, task.names)[take.index], part.start, part.end)
    if any(other["name"] == name for other in others):
        raise InputError(f"{task.location}: a second clip would be named {name}; give each interval another name")
    start, end = part.start - take.start, part.end - take.start
    to_the_end = task.settings.segments == "whole" and end > take.seconds - ROUNDING
    segment = Segment(start, np.inf if to_the_end else end)  # the sound may go on after the picture
    frames, kept, dropped = _frames_of(task, recording, segment)
    with atomic_folder(Path(task.dataset) / "clips" / name) as partial:
        _write_faces(partial / "faces.npy", recording, kept["crop"])
        np.savez(
            partial / "track.npz",
            time=kept["time"] - segment.start,
            score=kept["score"],
            landmarks=kept["landmarks"],
            transform=kept["transform"],
        )
        for file in SPEECH_FILES.values():
            _cut_sound(recording.folder / file, partial / file, segment)
        wrong = _wrong_sound(partial / SPEECH_FILES[SPEECH_RATE], float(kept["time"][-1]) - start)
        digest = files_digest(partial)
    return {
        "name": name,
        "source": task.location,
        "sha256": task.sha256,
        "files_sha256": digest,
        "start": round(part.start, 3),
        "end": round(part.end, 3),
        "fps": round(recording.frame_rate, 3),
        "frames_kept": len(kept),
        "frames_dropped": dict(dropped),
        "frames_with_several_faces": int((frames["faces"] > 1).sum()),
        "cuts": int(frames["cut"][1:].sum()),
        "damage": recording.damage | wrong,
        **({"block": part.split} if part.split else {}),
    }


def _wrong_sound(path: Any, seconds: float) -> dict[str, int]:
    """What is wrong with the speech of a clip, as its `damage` tells it: silent, or over long before the last face.

    Args:
        path: of the speech.
        seconds: from the start of the clip to its last face.
    """
    audible_end = last_audible(path)
    if not audible_end:
        return {SILENT: 1}
    early = (sound_duration(path) or 0.0) < seconds - LEAST_MISSING or audible_end < seconds - LONGEST_SILENCE
    return {ENDS_EARLY: 1} if early else {}


def _write_faces(path: str | Path, recording: Recording, crops: np.ndarray) -> None:
    """Copies crops, given by their numbers, one by one: no memory for all, and a full disk is an error."""
    shape = (len(crops), recording.size, recording.size, 3)
    with open(recording.crops, "rb") as source, open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        length = recording.size**2 * 3
        source.seek(int(crops[0]) * length)  # they follow each other
        for _ in crops:
            file.write(source.read(length))


def _cut_sound(source: str | Path, path: str | Path, segment: Segment) -> None:
    with wave.open(str(source)) as whole, open(path, "wb") as file, wave.open(file, "wb") as part:
        part.setparams(whole.getparams())
        rate, length = whole.getframerate(), whole.getnframes()
        first = min(round(segment.start * rate), length)
        end = length if segment.end == np.inf else min(round(segment.end * rate), length)
        whole.setpos(first)
        for block in range(first, end, rate):
            part.writeframes(whole.readframes(min(rate, end - block)))
