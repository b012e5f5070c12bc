"""Turns one source into clips of a dataset: extracts it as a whole, then cuts out the parts worth keeping."""

import wave
from collections import Counter
from dataclasses import asdict, dataclass, field
from functools import lru_cache
from pathlib import Path

import av
import numpy as np

from .detection import make_detector
from .files import scratch_folder, sha256, whole_folder, write_json
from .intervals import clip_name
from .media import SPEECH_FILES
from .program import InputError
from .quality import remedy
from .recording import record
from .segments import Segment, find_segments
from .voice import voice_activity

FEWEST_FRAMES = 5  # a clip with fewer faces teaches nothing
TOO_FEW = f"fewer than {FEWEST_FRAMES} frames"


@dataclass(frozen=True)
class Settings:
    """What decides how clips come out; a source is done again where it changes."""

    size: int = 64  # side of the face crops in pixels
    detector: str = "mtcnn"
    segments: str = "whole"  # or "auto": the parts in which one person is seen and heard speaking
    exact: bool = False  # detect in every frame, without tracking


@dataclass(frozen=True)
class Task:
    """One source to prepare: plain values, so that it can be sent to another process or machine."""

    dataset: str  # folder of the dataset
    name: str  # of the source; the names of its clips begin with it
    location: str  # path or address, as the user gave it
    picture: str  # path of the video
    sound: str  # path of its sound, mostly the same file
    sha256: str  # of these files, see `content_hash`
    intervals: tuple  # (start, end) in seconds, () for the whole video
    settings: Settings
    details: dict = field(default_factory=dict)  # what else the record tells: downloader, title, ...


def prepare_source(task, advance=lambda seconds: None):
    """Makes the clips of one source and, when they are whole, its record `sources/NAME.json`.

    Args:
        task: a `Task`.
        advance: as in `recording.record`.

    Returns:
        the record (docs/formats.md); its `left_out` says in one line each why the source, or an interval of it, gave
        no clip.

    Raises:
        OSError: a file cannot be written, as on a full disk.
    """
    clips, left_out, skipped, odd = [], [], Counter(), False
    for start, end in task.intervals or ((0.0, None),):
        try:
            entries, seconds = _clips_of_interval(task, start, end, advance)
            clips += entries
            skipped.update(seconds)
        except (InputError, av.error.FFmpegError) as error:
            left_out.append(" ".join(str(error).split()))
        except OSError:
            raise  # the disk's fault, not the source's
        except Exception as error:  # one odd source must not end a job of hours
            odd = True
            left_out.append(
                f"{task.location}: {type(error).__name__}: {' '.join(str(error).split())}; please report it"
            )
    result = {
        "name": task.name,
        "location": task.location,
        "sha256": task.sha256,
        "intervals": [list(interval) for interval in task.intervals],
        "settings": asdict(task.settings),
        **task.details,
        "again": odd,  # on the next run, as it may not be the source's fault
        "seconds_not_kept": {reason: round(seconds, 2) for reason, seconds in skipped.items()},
        "left_out": left_out,
        "clips": clips,
    }
    write_json(Path(task.dataset) / "sources" / f"{task.name}.json", result)
    return result


def content_hash(picture, sound):
    """SHA-256 of a source's files: of the video, or of video and sound where they are two."""
    return sha256(picture) if picture == sound else f"{sha256(picture)}+{sha256(sound)}"


@lru_cache
def _detector(name):
    """One detector for all sources of a process: its networks take seconds to load."""
    return make_detector(name)


def _clips_of_interval(task, start, end, advance):
    """(entries of the clips, seconds not kept by reason) of one interval; `end` is None for the whole video."""
    settings, clips = task.settings, Path(task.dataset) / "clips"
    with scratch_folder(clips, clips / task.name) as whole:
        detector = _detector(settings.detector)
        recording = record(
            task.picture, task.sound, whole, settings.size, detector, start, end, settings.exact, advance
        )
        if settings.segments == "whole":
            name = task.name if end is None else clip_name(task.name, start, end)
            return [_write_clip(task, recording, Segment(0.0, np.inf), start, name)], {}
        voice = voice_activity(whole / "speech.wav")
        frames = recording.frames
        segments, skipped = find_segments(frames["time"], recording.frame_reasons(), frames["faces"], voice)
        if not segments:
            why = ", ".join(f"{reason} {seconds:g} s" for reason, seconds in skipped.items()) or "no picture"
            raise InputError(
                f"{task.location}: no part shows one person speaking ({why}); "
                f"{remedy(Counter(skipped), 'give intervals by hand')}"
            )
        names = [clip_name(task.name, start + segment.start, start + segment.end) for segment in segments]
        entries, skipped = [], Counter(skipped)
        for segment, name in zip(segments, names, strict=True):
            try:
                entries.append(_write_clip(task, recording, segment, start, name))
            except InputError:
                skipped[TOO_FEW] += segment.end - segment.start
        return entries, skipped


def _write_clip(task, recording, segment, start, name):
    """Writes faces.npy, track.npz and the speech of one part of a recording, all of them or none.

    Returns:
        the clip's entry for the manifest, but for split and licence.

    Raises:
        InputError: too few of its frames show a usable face.
    """
    inside = (recording.frames["time"] >= segment.start) & (recording.frames["time"] < segment.end)
    frames = recording.frames[inside]
    dropped = Counter(reason for reason in recording.frame_reasons()[inside].tolist() if reason)
    kept = frames[frames["reason"] == 0]
    if len(kept) < FEWEST_FRAMES:
        why = "; ".join(f"{reason} in {count}" for reason, count in dropped.items()) or f"a clip needs {FEWEST_FRAMES}"
        raise InputError(
            f"{task.location}: only {len(kept)} of {len(frames)} frames show a usable face ({why}); "
            f"{remedy(dropped, 'give a video with one large, frontal face')}"
        )
    with whole_folder(Path(task.dataset) / "clips" / name) as partial:
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
    end = segment.end if np.isfinite(segment.end) else float(frames["time"][-1]) + 1 / recording.frame_rate
    return {
        "name": name,
        "source": task.location,
        "sha256": task.sha256,
        "start": round(start + segment.start, 3),
        "end": round(start + end, 3),
        "fps": round(recording.frame_rate, 3),
        "frames_kept": len(kept),
        "frames_dropped": dict(dropped),
        "frames_with_several_faces": int((frames["faces"] > 1).sum()),
        "damage": recording.damage,
    }


def _write_faces(path, recording, crops):
    """Copies crops, given by their numbers, one by one: no memory for all, and a full disk is an error."""
    shape = (len(crops), recording.size, recording.size, 3)
    with open(recording.crops, "rb") as source, open(path, "wb") as file:
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        length = recording.size**2 * 3
        source.seek(int(crops[0]) * length)  # they follow each other
        for _ in crops:
            file.write(source.read(length))


def _cut_sound(source, path, segment):
    with wave.open(str(source)) as whole, wave.open(str(path), "wb") as part:
        part.setparams(whole.getparams())
        rate, length = whole.getframerate(), whole.getnframes()
        first = min(round(segment.start * rate), length)
        end = length if segment.end == np.inf else min(round(segment.end * rate), length)
        whole.setpos(first)
        for block in range(first, end, rate):
            part.writeframes(whole.readframes(min(rate, end - block)))
