"""Video frames and speech out of any container that FFmpeg reads, through PyAV; no ffmpeg program is needed."""

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import chain, islice, pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.format import Flags
from av.video.reformatter import VideoReformatter

from media.audio_channels import Channels, holds_floats
from media.sound import BLOCK_SECONDS, NORMAL_LEVEL, SILENCE, ChannelAnalysis, Loudness, SoundTrack
from runtime.errors import InputError
from runtime.files import check_is_file

SPEECH_RATE = 16000  # Hz, what the wide feature maps are computed from
SPEECH_RATE_2017 = 44100  # Hz, what those of the 2017 presets are computed from
SEEKING_MARGIN = 1.0  # seconds read before the part that is wanted: decoders need a run-up
SPEECH_FILES = {SPEECH_RATE: "speech.wav", SPEECH_RATE_2017: "speech_44k.wav"}  # of a clip
HIGHEST_RATE = 240  # frames per second; a higher rate in a header is not believed
LARGEST_JITTER = 0.05  # seconds by which presentation times may waver before it counts as a gap in the sound
STEP_BACK = 0.1  # seconds by which the times of a stream may step back before it counts as another file, joined on
LEAP = 10.0  # seconds by which they may leap ahead of all streams; both limits are those of the ffmpeg program
COUNTED_PACKETS = 100  # from which the frame rate of an AVI file is estimated
SQUARE = 0.01  # deviation of the sample aspect ratio from 1 that nobody sees

# What a file may not be: lists of other files and addresses, which FFmpeg would open, too.
LISTS = {"concat", "dash", "hls", "imf", "image2", "lavfi", "rtp", "rtsp", "sap", "sdp", "tedcaptions", "vobsub",
         "webm_dash_manifest"}  # fmt: skip
CONTAINERS = ",".join(sorted(av.formats_available - LISTS))

decoder_threads = 0  # of this process; 0 for one on each core


@dataclass(frozen=True)
class VideoInfo:
    """What a container says of its video.

    Attributes:
        frame_rate: frames per second, on average.
        start: presentation time of the first frame, in seconds.
        duration: in seconds, or None where the container does not say.
    """

    frame_rate: float
    start: float
    duration: float | None


def media_path(path: str | Path) -> str:
    """A path as `av.open` takes it: in a relative one, a colon would end the name of a protocol."""
    return os.path.abspath(path)


def open_container(path: str | Path) -> Any:
    """The opened container of a media file, of PyAV; text in it that is not UTF-8 is left out.

    Raises:
        InputError: there is no such file, or FFmpeg cannot read it.
    """
    check_is_file(path)
    try:
        return av.open(media_path(path), options={"format_whitelist": CONTAINERS}, metadata_errors="ignore")
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as audio or video ({reason}); give a media file") from error


@contextlib.contextmanager
def open_media(path: str | Path, kind: str) -> Iterator[tuple[Any, Any]]:
    """Opens `path` and gives (container, stream of `kind`), `kind` being "video" or "audio".

    The stream is the first that FFmpeg has a decoder for; one that is marked as default goes before the others, a cover
    picture comes last.

    Raises:
        InputError: there is no such file, FFmpeg cannot read it, or it has no such stream.
    """
    with open_container(path) as container:
        if not getattr(container.streams, kind):
            raise InputError(f"{path}: has no {kind} track; give a file that has one")
        streams = _decodable(container, kind)
        if not streams:
            raise InputError(f"{path}: its {kind} track has a codec that cannot be decoded; convert it to another one")
        yield container, streams[0]


def _decodable(container: Any, kind: str) -> list[Any]:
    """The streams of a kind that can be decoded, in the order in which they are wanted."""
    cover, default = av.stream.Disposition.attached_pic, av.stream.Disposition.default
    streams = [stream for stream in getattr(container.streams, kind) if stream.codec_context is not None]
    return sorted(
        streams, key=lambda stream: (bool(stream.disposition & cover), not stream.disposition & default, stream.index)
    )


def video_info(path: str | Path) -> VideoInfo:
    """The `VideoInfo` of a video file."""
    with open_media(path, "video") as (container, stream):
        # Where a browser recorded, the container's rate may be that of its clock, 1000.
        rates: tuple[Any, ...] = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        if container.format.name == "avi":  # its clock may tick more often than frames come
            rates = (_counted_rate(container, stream), *rates)
        rate = next((rate for rate in rates if rate and rate <= HIGHEST_RATE), 25)
        start = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
        return VideoInfo(float(rate), start, _duration(container, stream))


def _duration(container: Any, stream: Any) -> float | None:
    """In seconds as the container states it, or None where it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _counted_rate(container: Any, stream: Any) -> Any:
    """Frames per second, by the usual distance of the first packets; None where there are too few."""
    with contextlib.suppress(av.error.FFmpegError):
        times = [packet.dts for packet in islice(container.demux(stream), COUNTED_PACKETS) if packet.dts is not None]
        distances = [after - before for before, after in pairwise(times) if after > before]
        return 1 / (int(np.median(distances)) * stream.time_base) if distances else None


class _Clock:
    """Makes the times of a container go on where files were joined (`cat a.ts b.ts`) and their clocks start anew.

    All streams of a joined part are moved by the same time, whichever of them shows the leap first, so that they stay
    together. The part starts where the longest stream before it ends, its streams one before the other as in the first
    part.
    """

    def __init__(self) -> None:
        self.offsets = [0.0]  # of the parts, in seconds
        self.end = 0.0  # of what has come so far, in seconds that go on
        self.parts, self.before, self.first = {}, {}, {}  # of each stream: its part, its last and first time

    def move(self, packet: Any) -> None:
        """Moves the times of a packet; packets come in the order in which the container holds them."""
        times = [time for time in (packet.pts, packet.dts) if time is not None]
        if not times:
            return
        stream, tick = packet.stream_index, packet.time_base
        earliest, shown = float(min(times) * tick), float(times[0] * tick)
        if stream not in self.parts:
            self.parts[stream] = self._nearest_part(earliest, 0)
            self.first[stream] = shown
        elif self._leaps(stream, earliest):
            part = self.parts[stream] + 1
            if part == len(self.offsets):
                self.offsets.append(self.end - shown + self.first[stream] - min(self.first.values()))
            self.parts[stream] = self._nearest_part(earliest, part)
        offset = self.offsets[self.parts[stream]]
        self.before[stream] = earliest
        self.end = max(self.end, shown + offset + float((packet.duration or 0) * tick))
        if offset:
            ticks = round(offset / tick)
            packet.dts = min(times) + ticks
            packet.pts = None if packet.pts is None else packet.pts + ticks

    def _leaps(self, stream: int, time: float) -> bool:
        return time < self.before[stream] - STEP_BACK or time + self.offsets[self.parts[stream]] > self.end + LEAP

    def _nearest_part(self, time: float, first: int) -> int:
        """The part, from `first` on, in which a time is nearest to the end of what has come."""
        return min(range(first, len(self.offsets)), key=lambda part: abs(time + self.offsets[part] - self.end))


def _may_be_joined(container: Any) -> bool:
    """Whether the clock of such a container may start anew in the middle, as in MPEG program and transport streams."""
    return bool(container.format.flags & Flags.ts_discont.value)


def _packets(container: Any, stream: Any, clock: _Clock | None = None) -> Iterator[Any]:
    """The packets of a stream, with times that go on where files were joined; a `_Clock` sees those of all streams."""
    if not _may_be_joined(container):
        yield from container.demux(stream)
        return
    clock = clock or _Clock()
    for packet in container.demux([other for other in container.streams if other.type in ("video", "audio")]):
        clock.move(packet)
        if packet.stream_index == stream.index:
            yield packet


def joined_duration(path: str | Path, kind: str = "video") -> float | None:
    """Seconds that a file lasts where it was joined of several, which its container does not state; else None.

    The whole file is read, but not decoded.
    """
    with open_media(path, kind) as (container, _):
        if not _may_be_joined(container):
            return None
    status = os.stat(path)
    return _read_joined_duration(str(path), kind, status.st_mtime_ns, status.st_size)


@lru_cache
def _read_joined_duration(path: str, kind: str, *_version: Any) -> float | None:
    clock = _Clock()
    with open_media(path, kind) as (container, stream), contextlib.suppress(av.error.FFmpegError):
        for _ in _packets(container, stream, clock):
            pass
    return clock.end - min(clock.first.values(), default=0.0) if len(clock.offsets) > 1 else None


def _decode(container: Any, stream: Any, damage: list[str]) -> Iterator[Any]:
    """The stream's frames; a packet that cannot be decoded is counted in `damage` and left out."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = decoder_threads
    packets = _packets(container, stream)
    while True:
        try:
            packet = next(packets)
        except StopIteration:
            return
        except av.error.FFmpegError as error:
            damage.append(f"ends early: {error.strerror}")
            return
        try:
            yield from packet.decode()
        except av.error.FFmpegError as error:
            damage.append(f"packet skipped: {error.strerror}")


def _decode_from(path: str | Path, container: Any, stream: Any, damage: list[str], time: float) -> Iterator[Any]:
    """The stream's frames from a little before a presentation time on, or from the start where seeking goes too far."""
    if joined_duration(path, stream.type) is not None:
        return _decode(container, stream, damage)
    container.seek(int((time - SEEKING_MARGIN) / stream.time_base), stream=stream)
    frames = _decode(container, stream, damage)
    first = next(frames, None)
    if first is not None and first.time is not None and first.time <= time:
        return chain([first], frames)
    container.seek(0)
    return _decode(container, stream, damage)


def _numbered(frames: Iterator[Any], stream: Any, frame_rate: float) -> Iterator[Any]:
    """The frames of a container that knows no presentation times, with such times.

    In AVI they are the times of decoding, later by as many frames as the decoder holds back. Raw video has none at
    all.
    """
    step = max(1, round(1 / (frame_rate * stream.time_base)))
    delay, last = None, (stream.start_time or 0) - step
    for frame in frames:
        if delay is None and frame.dts is not None:
            delay = frame.dts - (last + step)
        last = last + step if frame.dts is None or delay is None else frame.dts - delay
        frame.pts = last
        yield frame


def read_frames(
    path: str | Path, damage: list[str] | None = None, start: float = 0.0, end: float | None = None
) -> Iterator[tuple[float, np.ndarray]]:
    """Yields the frames of a video in order of presentation, as they are to be seen.

    They are upright, or mirrored, as the container says; they have square pixels, and are not interlaced. Their times
    never run backwards: where files were joined they go on.

    Args:
        path: any video that FFmpeg reads.
        damage: list that receives a line for each part that could not be decoded.
        start: of the part to read, in seconds since the first frame of the stream.
        end: of the part to read; None for the end of the video.

    Yields:
        (time, image): seconds since `start`; uint8 RGB [shape=(height, width, 3)].

    Raises:
        InputError: the file cannot be opened, has no video, or is a picture in tiles.
    """
    damage = [] if damage is None else damage
    info = video_info(path)
    first = start - 0.5 / info.frame_rate
    last = np.inf if end is None else end - 0.5 / info.frame_rate
    with open_media(path, "video") as (container, stream):
        if stream.disposition & av.stream.Disposition.dependent:
            raise InputError(
                f"{path}: a picture of several tiles (HEIC), of which one alone can be read; save it as JPEG"
            )
        timeless = container.format.name == "avi" or bool(container.format.flags & Flags.no_timestamps.value)
        if start > SEEKING_MARGIN and not timeless:
            frames = _decode_from(path, container, stream, damage, info.start + start)
        else:
            frames = _decode(container, stream, damage)
        if timeless:
            frames = _numbered(frames, stream, info.frame_rate)
        convert = VideoReformatter().reformat  # one for all frames: making it takes longer than using it
        size = turn = None  # of the first frame; others come in this size, should the stream change it
        before = -np.inf
        for frame in _deinterlaced(frames, stream):
            if frame.time is None:
                continue
            time = frame.time - info.start
            if time >= last:
                return
            if time >= first and frame.is_corrupt:
                damage.append("damaged picture left out")
            elif time >= first and time <= before:
                damage.append("picture out of order left out")
            elif time >= first:
                before = time
                size, turn = size or _square_size(frame, stream), turn or _turn(frame)
                yield time - start, turn(convert(frame, *size, format="rgb24", threads=1).to_ndarray())


def _square_size(frame: Any, stream: Any) -> tuple[int, int]:
    """Width and height of a frame in square pixels, none of which is lost."""
    ratio = float(stream.sample_aspect_ratio or 1)
    if abs(ratio - 1) <= SQUARE:
        return frame.width, frame.height
    return round(frame.width * max(ratio, 1)), round(frame.height * max(1 / ratio, 1))


def _turn(frame: Any) -> Callable[[np.ndarray], np.ndarray]:
    """Function that turns images by right angles and mirrors them as a display matrix says, as the ffmpeg program does.

    To be called on one frame alone: each frame whose matrix is read stays in memory until Python collects garbage.
    """
    matrix = frame.side_data.get("DISPLAYMATRIX")
    if matrix is None:
        return lambda image: image
    # Position (x, y) of the image is shown at (a x + c y, b x + d y), but for a shift.
    (a, b, _), (c, d, _), _ = np.frombuffer(matrix, np.int32).reshape(3, 3).tolist()
    swap = abs(b) > abs(a)
    across, down = (c, b) if swap else (a, d)

    def turned(image: np.ndarray) -> np.ndarray:
        image = image.transpose(1, 0, 2) if swap else image
        return np.ascontiguousarray(image[:: -1 if down < 0 else 1, :: -1 if across < 0 else 1])

    return turned


def _deinterlaced(frames: Iterator[Any], stream: Any) -> Iterator[Any]:
    """The frames, from the first interlaced one on with their two fields woven into whole pictures."""
    graph = None
    for frame in frames:
        if frame.interlaced_frame and graph is None:
            graph = av.filter.Graph()
            # Frames that are whole pass as they are.
            nodes = [graph.add_buffer(template=stream), graph.add("bwdif", "send_frame:auto:interlaced")]
            graph.link_nodes(*nodes, graph.add("buffersink")).configure()
        if graph is None:
            yield frame
        else:
            graph.push(frame)
            yield from _pulled(graph)
    if graph is not None:
        graph.push(None)
        yield from _pulled(graph)


def _pulled(graph: Any) -> Iterator[Any]:
    with contextlib.suppress(BlockingIOError, av.error.EOFError):
        while True:
            yield graph.pull()


def stream_speech(
    path: str | Path,
    sample_rate: int = SPEECH_RATE,
    start: float | None = None,
    damage: list[str] | None = None,
    duration: float | None = None,
) -> Iterator[np.ndarray]:
    """Yields the sound of a file as mono samples, a stretch at a time.

    Of several tracks, the one marked as default is taken, or the first; another one where it is silent. Two channels
    are averaged; more are first mixed down to two by FFmpeg, which keeps the level of a voice that sits in the middle.
    Where the average would lose the voice, as of a microphone with the opposite sign, they are weighted
    (`sound.ChannelAnalysis`). Invalid samples are replaced (`sound.SoundRepair`), and sound whose samples
    are in other units is scaled. Gaps in the presentation times become silence.

    Args:
        path: any audio or video file that FFmpeg reads.
        sample_rate: of the result, in Hz.
        start: presentation time in seconds that becomes sample 0 (None: where the audio itself starts).
        damage: list that receives a line for each part that could not be decoded, and for all else that was wrong.
        duration: seconds to read; None for all.

    Yields:
        float32 samples in [-1, 1] [shape=(n,)].

    Raises:
        InputError: the file cannot be opened or has no audio that can be decoded.
    """
    damage = [] if damage is None else damage
    with _open_sound(path) as (container, stream, sound):
        damage += sound.notes
        channels = Channels(path, sample_rate, sound.scale)
        position: Any = None  # of the next sample, counted from time zero
        end = np.inf if duration is None else round(duration * sample_rate)

        def placed(parts: list[np.ndarray]) -> Iterator[np.ndarray]:
            """The samples as mono, without what lies before time zero."""
            nonlocal position
            for part in parts:
                samples = sound.mix(part)
                yield samples[max(-position, 0) : max(min(end - position, len(samples)), 0)]
                position += len(samples)

        if start is not None and start > SEEKING_MARGIN:
            frames = _decode_from(path, container, stream, damage, start)
        else:
            frames = _decode(container, stream, damage)
        for frame in frames:
            if position is not None and position >= end:
                break
            yield from placed(channels.rest(frame))
            if start is None:
                start = frame.time or 0.0
            due = position or 0 if frame.time is None else round((frame.time - start) * sample_rate)
            if position is None:
                position, allowed_gap = min(due, 0), 0.0
            if due - position > allowed_gap:
                yield np.zeros(max(min(due, end) - max(position, 0), 0), np.float32)
                position = due
            allowed_gap = sample_rate * LARGEST_JITTER
            yield from placed(channels.of(frame))
        yield from placed(channels.rest())
        damage += channels.notes


@contextlib.contextmanager
def _open_sound(path: str | Path) -> Iterator[tuple[Any, Any, SoundTrack]]:
    """Opens `path` and gives (container, audio stream to use, `SoundTrack`).

    Raises:
        InputError: as `open_media`.
    """
    check_is_file(path)
    about = os.stat(path)
    sound = _sound_track(str(path), media_path(path), about.st_mtime_ns, about.st_size)
    with open_media(path, "audio") as (container, _):
        yield container, container.streams[sound.track], sound


@lru_cache(maxsize=64)
def _sound_track(path: str, absolute: str, modified: int, size: int) -> SoundTrack:
    """The `SoundTrack` of a file that was modified at a time; only what may be odd is listened to.

    Raises:
        InputError: as `open_media`.
    """
    with open_media(path, "audio") as (container, stream):
        every = [stream.index for stream in container.streams.audio]
        tracks = [stream.index for stream in _decodable(container, "audio")]
        form = stream.codec_context.format
        if len(every) == 1 and stream.codec_context.layout.nb_channels == 1 and form and not holds_floats(form):
            return SoundTrack(stream.index)
    analyses = {}
    for track in tracks:
        analyses[track] = _analyse(path, track)
        if analyses[track].level >= SILENCE:
            break
    else:
        track = tracks[0]
    notes = []
    if track != every[0]:
        why = "is silent" if every[0] in analyses else "is not the default one"
        why = why if every[0] in tracks else "has a codec that cannot be decoded"
        notes.append(f"audio track {every.index(track) + 1} of {len(every)} is used: the first one {why}")
    level, weights = analyses[track].level, analyses[track].weights()
    if weights is not None:
        notes.append("averaging its channels would lose the voice (opposite signs?): they are weighted")
    if level > 1:
        notes.append(f"the sound is {level:.{int(level < 10)}f} times as loud as full scale: it is scaled down")
    return SoundTrack(track, weights, NORMAL_LEVEL / level if level > 1 else 1.0, tuple(notes))


def _analyse(path: str, track: int) -> ChannelAnalysis:
    """A `ChannelAnalysis` of a track of a file, as far as it needs."""
    channels, analysis = Channels(path, SPEECH_RATE, None), ChannelAnalysis(SPEECH_RATE)
    with open_media(path, "audio") as (container, _):
        for frame in _decode(container, container.streams[track], []):
            for part in [*channels.rest(frame), *channels.of(frame)]:
                analysis.update(part)
            if analysis.done:
                break
    return analysis


def read_speech(
    path: str | Path, sample_rate: int = SPEECH_RATE, start: float | None = None, damage: list[str] | None = None
) -> np.ndarray:
    """The whole of `stream_speech` in one array: float32 mono samples in [-1, 1] [shape=(n,)].

    Raises:
        InputError: the file cannot be opened, has no audio, or its audio holds no sample.
    """
    samples = np.concatenate([np.zeros(0, np.float32), *stream_speech(path, sample_rate, start, damage)])
    if not len(samples):
        raise InputError(f"{path}: its audio track is empty; give a file with sound")
    return samples


def sound_level(path: str | Path, enough: float = np.inf) -> float:
    """How loud the sound of a file is, full scale being 1: see `sound.Loudness`.

    Reading ends where the level is above `enough`; memory does not grow with the length.

    Raises:
        InputError: the file cannot be opened or has no audio that can be decoded.
    """
    loudness = Loudness(SPEECH_RATE)
    for samples in stream_speech(path):
        loudness.update(samples[None])
        if loudness.reaches(enough):
            break
    return loudness.level


def last_audible(path: str | Path) -> float:
    """Seconds after which a file is silent, in blocks of `sound.BLOCK_SECONDS`; 0 if all of it is.

    Raises:
        InputError: the file cannot be opened or has no audio that can be decoded.
    """
    loudness, blocks, last = Loudness(SPEECH_RATE), 0, 0
    for samples in stream_speech(path, SPEECH_RATE, 0.0):
        _, levels = loudness.update(samples[None])
        audible = np.flatnonzero(levels >= SILENCE)
        last = blocks + int(audible[-1]) + 1 if len(audible) else last
        blocks += len(levels)
    return last * BLOCK_SECONDS


def sound_duration(path: str | Path) -> float | None:
    """Length of the audio in seconds as the container states it, or None where it does not.

    Raises:
        InputError: the file cannot be opened or has no audio.
    """
    with _open_sound(path) as (container, stream, _):
        return _duration(container, stream)
