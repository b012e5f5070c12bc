"""Video frames and speech out of any container that FFmpeg reads, through PyAV; no ffmpeg program is needed."""

import contextlib
import wave
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

import av
import numpy as np
from av.video.reformatter import VideoReformatter

from .files import whole_file
from .program import InputError

SPEECH_RATE = 16000  # Hz, what the wide feature maps are computed from
SPEECH_RATE_2017 = 44100  # Hz, what those of the 2017 presets are computed from
SEEKING_MARGIN = 1.0  # seconds read before the part that is wanted: decoders need a run-up
SPEECH_FILES = {SPEECH_RATE: "speech.wav", SPEECH_RATE_2017: "speech_44k.wav"}  # of a clip
HIGHEST_RATE = 240  # frames per second; more is no rate of a camera
LARGEST_JITTER = 0.05  # seconds by which presentation times may waver before it counts as a gap in the sound

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


@contextlib.contextmanager
def open_media(path, kind):
    """Opens `path` and gives (container, first stream of `kind`), `kind` being "video" or "audio".

    Raises:
        InputError: there is no such file, FFmpeg cannot read it, or it has no such stream.
    """
    if not Path(path).exists():
        raise InputError(f"{path}: no such file")
    if Path(path).is_dir():
        raise InputError(f"{path}: a folder, where a file was expected")
    try:
        container = av.open(str(path), options={"format_whitelist": CONTAINERS})
    except (av.error.FFmpegError, OSError) as error:
        reason = getattr(error, "strerror", None) or error
        raise InputError(f"{path}: cannot be read as audio or video ({reason}); give a media file") from error
    with container:
        streams = getattr(container.streams, kind)
        if not streams:
            raise InputError(f"{path}: has no {kind} track; give a file that has one")
        yield container, streams[0]


def video_info(path):
    """The `VideoInfo` of a video file."""
    with open_media(path, "video") as (container, stream):
        # Where a browser recorded, the container's rate may be that of its clock, 1000.
        rates = (stream.average_rate, stream.guessed_rate, stream.base_rate)
        rate = next((rate for rate in rates if rate and rate <= HIGHEST_RATE), 25)
        start = float(stream.start_time * stream.time_base) if stream.start_time is not None else 0.0
        return VideoInfo(float(rate), start, _duration(container, stream))


def _duration(container, stream):
    """In seconds as the container states it, or None where it does not."""
    if stream.duration:
        return float(stream.duration * stream.time_base)
    return container.duration / av.time_base if container.duration else None


def _decode(container, stream, damage):
    """The stream's frames; a packet that cannot be decoded is counted in `damage` and left out."""
    stream.thread_type = "AUTO"
    stream.codec_context.thread_count = decoder_threads
    packets = container.demux(stream)
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
            damage.append(f"packet left out: {error.strerror}")


def _decode_from(container, stream, damage, time):
    """The stream's frames from a little before a presentation time on, or from the start where seeking goes too far."""
    container.seek(int((time - SEEKING_MARGIN) / stream.time_base), stream=stream)
    frames = _decode(container, stream, damage)
    first = next(frames, None)
    if first is not None and first.time is not None and first.time <= time:
        return chain([first], frames)
    container.seek(0)
    return _decode(container, stream, damage)


def read_frames(path, damage=None, start=0.0, end=None):
    """Yields the frames of a video in order of presentation, upright as the container says and without interlacing.

    Args:
        path: any video that FFmpeg reads.
        damage: list that receives a line for each part that could not be decoded.
        start: of the part to read, in seconds since the first frame of the stream.
        end: of the part to read; None for the end of the video.

    Yields:
        (time, image): seconds since `start`; uint8 RGB [shape=(height, width, 3)].

    Raises:
        InputError: the file cannot be opened or has no video.
    """
    damage = [] if damage is None else damage
    info = video_info(path)
    first = start - 0.5 / info.frame_rate
    last = np.inf if end is None else end - 0.5 / info.frame_rate
    with open_media(path, "video") as (container, stream):
        # An AVI file numbers its frames in the order of decoding and knows no presentation times.
        timeless = container.format.name == "avi"
        if start > SEEKING_MARGIN and not timeless:
            frames = _decode_from(container, stream, damage, info.start + start)
        else:
            frames = _decode(container, stream, damage)
        convert = VideoReformatter().reformat  # one for all frames: making it takes longer than using it
        size = None  # of the first frame; others come in it, should the stream change its size
        for index, frame in enumerate(_deinterlaced(frames, stream)):
            if not timeless and frame.time is None:
                continue
            time = index / info.frame_rate if timeless else frame.time - info.start
            if time >= last:
                return
            if time >= first and frame.is_corrupt:
                damage.append("damaged picture left out")
            elif time >= first:
                size = size or (frame.width, frame.height)
                image = convert(frame, *size, format="rgb24", threads=1).to_ndarray()
                yield time - start, np.rot90(image, frame.rotation // 90)


def _deinterlaced(frames, stream):
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


def _pulled(graph):
    with contextlib.suppress(BlockingIOError, av.error.EOFError):
        while True:
            yield graph.pull()


def stream_speech(path, sample_rate=SPEECH_RATE, start=None, damage=None, duration=None):
    """Yields the sound of a file as mono samples, a stretch at a time.

    Two channels are averaged; more are first mixed down to two by FFmpeg, which keeps the level of a voice that sits in
    the middle. Gaps in the presentation times become silence.

    Args:
        path: any audio or video file that FFmpeg reads.
        sample_rate: of the result, in Hz.
        start: presentation time in seconds that becomes sample 0 (None: where the audio itself starts).
        damage: list that receives a line for each part that could not be decoded.
        duration: seconds to read; None for all.

    Yields:
        float32 samples in [-1, 1] [shape=(n,)].

    Raises:
        InputError: the file cannot be opened or has no audio.
    """
    damage = [] if damage is None else damage
    with open_media(path, "audio") as (container, stream):
        resampler, form = None, None
        position = None  # of the next sample, counted from time zero
        end = np.inf if duration is None else round(duration * sample_rate)

        def placed(frames):
            """The samples as mono, without what lies before time zero."""
            nonlocal position
            for resampled in frames:
                samples = np.clip(resampled.to_ndarray().mean(axis=0), -1, 1)
                yield samples[max(-position, 0) : max(min(end - position, len(samples)), 0)]
                position += len(samples)

        if start is not None and start > SEEKING_MARGIN:
            frames = _decode_from(container, stream, damage, start)
        else:
            frames = _decode(container, stream, damage)
        for frame in frames:
            if position is not None and position >= end:
                break
            if form != (frame.format.name, frame.layout.name, frame.sample_rate):  # files that were joined change it
                if resampler:
                    yield from placed(resampler.resample(None))
                form = (frame.format.name, frame.layout.name, frame.sample_rate)
                layout = "mono" if frame.layout.nb_channels == 1 else "stereo"
                resampler = av.AudioResampler(format="fltp", layout=layout, rate=sample_rate)
            if start is None:
                start = frame.time or 0.0
            due = position or 0 if frame.time is None else round((frame.time - start) * sample_rate)
            if position is None:
                position, allowed_gap = min(due, 0), 0
            if due - position > allowed_gap:
                yield np.zeros(max(min(due, end) - max(position, 0), 0), np.float32)
                position = due
            allowed_gap = sample_rate * LARGEST_JITTER
            yield from placed(resampler.resample(frame))
        if resampler:
            yield from placed(resampler.resample(None))


def read_speech(path, sample_rate=SPEECH_RATE, start=None, damage=None):
    """The whole of `stream_speech` in one array: float32 mono samples in [-1, 1] [shape=(n,)].

    Raises:
        InputError: the file cannot be opened, has no audio, or its audio holds no sample.
    """
    samples = np.concatenate([np.zeros(0, np.float32), *stream_speech(path, sample_rate, start, damage)])
    if not len(samples):
        raise InputError(f"{path}: its audio track is empty; give a file with sound")
    return samples


def sound_duration(path):
    """Length of the audio in seconds as the container states it, or None where it does not.

    Raises:
        InputError: the file cannot be opened or has no audio.
    """
    with open_media(path, "audio") as (container, stream):
        return _duration(container, stream)


def write_wav(path, blocks, sample_rate):
    """Writes mono sound as a 16-bit wav file, whole or not at all.

    Args:
        path: of the file.
        blocks: float samples in [-1, 1] [shape=(n,)], or an iterable of stretches of them.
        sample_rate: in Hz.

    Returns:
        number of samples written.
    """
    blocks = [blocks] if isinstance(blocks, np.ndarray) else blocks
    with whole_file(path) as partial, wave.open(str(partial), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for samples in blocks:
            pcm = np.clip(np.rint(np.asarray(samples) * 32767), -32768, 32767).astype("<i2")
            file.writeframes(pcm.tobytes())
        return file.getnframes()
