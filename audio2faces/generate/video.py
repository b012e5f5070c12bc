"""From a sound file to a talking video, a batch at a time: memory does not grow with the length of the speech."""

import contextlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from audio2faces.generate.source import LONGEST_SIDE, Source, open_source
from began.networks.inference import BATCH
from media.pictures import write_png
from media.reading import sound_duration, sound_level, stream_speech
from media.sound import QUIET, gain_of
from media.writing import SOUND_RATE, SYNTHETIC, TalkingVideo
from preprocessing.speech.audio_features import FeatureSettings, frame_centres, mfcc_maps, pre_emphasise
from runtime.ahead import ahead
from runtime.errors import InputError
from runtime.files import atomic_folder, atomic_write
from runtime.progress import progress

RATES = (1, 120)  # frames per second that a video may have


@dataclass(frozen=True)
class Options:
    """How a video is made.

    Attributes:
        source: path of a picture or video of the speaker to put the mouth into, or None for the footage of the model.
        face: makes the aligned face alone, also where the model carries footage.
        frame_rate: frames per second, or None for the model's.
        smooth: standard deviation in seconds of a Gaussian over time that calms the motion; 0 leaves it as it is.
        articulation: its strength (`articulation.Articulation`), or None for the model's.
        still: holds the head still: one frame of the footage in place of all.
        longest_side: pixels; a larger source is shrunk. None keeps its resolution.
    """

    source: str | Path | None = None
    face: bool = False
    frame_rate: float | None = None
    smooth: float = 0.0
    articulation: float | None = None
    still: bool = False
    longest_side: int | None = LONGEST_SIDE

    def __post_init__(self) -> None:
        if self.frame_rate is not None and not RATES[0] <= self.frame_rate <= RATES[1]:
            raise InputError(f"frame_rate {self.frame_rate:g}: give {RATES[0]} to {RATES[1]} frames per second")
        if not self.smooth >= 0:
            raise InputError(f"smooth {self.smooth:g}: give a standard deviation in seconds, 0 or more")


def generate_video(
    model: Any,
    speech: str | Path,
    output: str | Path,
    frames_folder: str | Path | None = None,
    options: Options = Options(),
    watch: Any = None,
) -> tuple:
    """Makes a video in which the model's face speaks.

    Args:
        model: `FaceModel`, or a `began.face.BeganFace`.
        speech: path of any file with sound that FFmpeg reads.
        output: path of the mp4 or webm file, replaced whole or not at all.
        frames_folder: folder to make, of each picture as frame-000000.png, or None.
        options: `Options`.
        watch: function that is called with each batch of faces, and the number of frames to come in all (None where it
            is not known), before they are written; what it raises ends the video.

    Returns:
        (frames, notes): their number, whose length in time is that of the speech within one frame; lines that a user
        should read, on the source and the sound.

    Raises:
        InputError: the sound or the source cannot be read or holds no sample or face, or the output cannot be written.
    """
    duration = sound_duration(speech)
    frame_rate = options.frame_rate or model.frame_rate
    total = None if duration is None else frame_count(duration, frame_rate)
    source = None
    if options.source:
        source = open_source(options.source, model.config.size, duration, options.longest_side, model.likeness)
    elif not options.face and model.footage:
        source = Source.of_footage(model.footage, model.config.size, options.still)
    sound = stream_speech(speech, SOUND_RATE)
    comment = f"Synthetic video: this face was {SYNTHETIC}, model {model.name}. It does not show a real recording."
    count, occluded, sounded = 0, 0, 0.0
    noticed = []
    with contextlib.ExitStack() as stack:
        partial = stack.enter_context(atomic_write(output))
        if frames_folder is not None:
            frames_folder = stack.enter_context(atomic_folder(frames_folder))
        width, height = (model.config.size,) * 2 if source is None else source.shape
        video = stack.enter_context(TalkingVideo(partial, width, frame_rate, comment, height))
        bar = stack.enter_context(progress(total, "frame", "generating"))
        paints = model.paints and not (source and source.another)
        for faces in ahead(stream_faces(model, speech, frame_rate, options, noticed, source)):
            if watch is not None:
                watch(faces, total)
            for index, face in enumerate(faces, count):  # one by one: a batch of a large source takes half a gigabyte
                picture = face
                if source:
                    seconds = index / frame_rate
                    shown = source.visibility(face, seconds) if paints and options.source else 1.0
                    occluded += shown < 0.5
                    picture = source.with_face(face, seconds, shown if paints else None)
                video.write_faces([picture])
                if frames_folder is not None:
                    write_png(Path(frames_folder) / f"frame-{index:06d}.png", picture)
                bar.update(1)
            while sounded < video.seconds and (samples := next(sound, None)) is not None:
                video.write_sound(samples)
                sounded += len(samples) / SOUND_RATE
            count += len(faces)
        bar.total = count  # what the container said may be one more or less
        if not count:
            raise InputError(f"{speech}: its audio track is empty; give a file with sound")
        for samples in sound:
            video.write_sound(samples)
    notes = [f"{speech}: {line}" + f" ({times} times)" * (times > 1) for line, times in Counter(noticed).items()]
    if source and occluded:
        notes.append(
            f"{source.name}: something is in front of the mouth in {occluded} of {count} frames, "
            "such as a hand or a caption; they stay as filmed"
        )
    return count, [*(source.notes if source else ()), *notes]


def stream_faces(
    model: Any,
    speech: str | Path,
    frame_rate: float,
    options: Options,
    noticed: list[str] | None = None,
    source: Source | None = None,
) -> Iterator[Any]:
    """Faces that speak what a sound file says, a batch at a time.

    Args:
        model: as for `generate_video`.
        speech: path of any file with sound; a quiet one is raised to the level at which it moves the mouth as usual.
        frame_rate: frames per second.
        options: `Options`.
        noticed: list that receives a line for all that was wrong with the sound.
        source: that the faces are to be put into, or None.

    Yields:
        uint8 RGB [shape=(n, size, size, 3)].
    """
    if options.articulation is not None:
        model = model.articulated(options.articulation)
    features = model.config.speech.feature_settings
    gain, lines = gain_of(sound_level(speech, enough=QUIET))
    noticed = [] if noticed is None else noticed
    noticed += lines
    sound = (gain * samples for samples in stream_speech(speech, features.sample_rate, damage=noticed))
    maps = stream_maps(sound, features, frame_rate, BATCH)
    motion = smoothed((model.motion(of_batch) for of_batch in maps), options.smooth * frame_rate)
    around = _surroundings(model, frame_rate, options, source)
    count = 0
    for of_batch in motion:
        yield model.render(of_batch, **around(np.arange(count, count + len(of_batch))))
        count += len(of_batch)


def _surroundings(
    model: Any, frame_rate: float, options: Options, source: Source | None
) -> Callable[[np.ndarray], dict]:
    """What is around the mouth: a function from the numbers of coming frames to options of `FaceModel.render`.

    A refiner paints into the faces of its speaker alone; another person gets the speaker's mouth, colours matched.
    """
    if model.paints and source is not None and not source.another:
        return lambda numbers: {
            "reference": source.faces[source.rest],
            "frames": source.faces[[source.place(number / frame_rate) for number in numbers]],
        }
    if source is not None or options.still or model.filmed is None:
        return lambda numbers: {}
    return lambda numbers: model.around(numbers, frame_rate)


def smoothed(batches: Iterable[np.ndarray], deviation: float) -> Iterator[Any]:
    """Motion calmed by a Gaussian over time; before the first and after the last frame it rests.

    Args:
        batches: iterable of arrays of frames [shape=(n, ...) each].
        deviation: standard deviation in frames; 0 passes everything on.

    Yields:
        arrays of frames; as many frames as came in.
    """
    radius = int(np.ceil(3 * deviation))
    if not radius:
        yield from batches
        return
    weights = np.exp(-0.5 * (np.arange(-radius, radius + 1) / deviation) ** 2)
    weights = (weights / weights.sum()).astype(np.float32)

    def whole(frames):
        """The frames whose neighbours on both sides are there."""
        count = len(frames) - 2 * radius
        return sum(weight * frames[shift : shift + count] for shift, weight in enumerate(weights))

    waiting = None
    for frames in batches:
        waiting = frames[:1].repeat(radius, axis=0) if waiting is None else waiting
        waiting = np.concatenate([waiting, frames])
        if len(waiting) > 2 * radius:
            yield whole(waiting)
            waiting = waiting[-2 * radius :]
    if waiting is not None:
        yield whole(np.concatenate([waiting, waiting[-1:].repeat(radius, axis=0)]))


def frame_count(seconds: float, frame_rate: float) -> int:
    """How many frames a speech of some seconds gets: the nearest whole number, at least one."""
    return max(1, round(seconds * frame_rate))


def stream_maps(
    chunks: Iterable[np.ndarray], features: FeatureSettings, frame_rate: float, batch: int
) -> Iterator[Any]:
    """MFCC maps of a speech that arrives in chunks, the same as those of the whole.

    Only the samples that coming frames need are kept.

    Args:
        chunks: iterable of mono samples [shape=(n,) each].
        features: `FeatureSettings`.
        frame_rate: frames per second; frame i is centred on i / frame_rate.
        batch: frames given at once.

    Yields:
        maps [shape=(batch, rows, n_mfcc)], the last array perhaps shorter; nothing if there is no sample.
    """
    kept = np.zeros(0)  # pre-emphasised samples from number `origin` on
    origin = first = 0
    previous = 0.0

    def centres(count):
        return frame_centres(np.arange(first, first + count) / frame_rate, features)

    for chunk in chunks:
        if len(chunk):
            kept = np.concatenate([kept, pre_emphasise(chunk, previous)])
            previous = float(chunk[-1])
        while centres(batch)[-1] + features.look_ahead <= origin + len(kept):
            yield mfcc_maps(kept, centres(batch) - origin, features)
            first += batch
            needed = max(centres(1)[0] - features.left_context, origin)
            kept, origin = kept[needed - origin :], needed
    samples = origin + len(kept)
    last = frame_count(samples / features.sample_rate, frame_rate) if samples else 0
    while first < last:
        count = min(batch, last - first)
        yield mfcc_maps(kept, centres(count) - origin, features)
        first += count
