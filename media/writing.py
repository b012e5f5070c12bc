"""Writes sound (wav) and videos (mp4: H.264, AAC; webm: VP8, Opus), with a comment where their face was generated."""

import contextlib
import io
import wave
from collections.abc import Iterable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import IO, Any, Self

import av
import cv2
import numpy as np

from media.reading import media_path, open_container
from runtime.errors import InputError
from runtime.files import atomic_write

SYNTHETIC = "generated from speech by Audio2Faces"  # in the comment of every video with a generated face
SHORTEST_SIDE = 256  # pixels; smaller faces are scaled up by a whole factor
SOUND_RATE = 44100  # Hz
SOUND_BIT_RATE = 128000  # bit/s
FORMATS = {  # by suffix: container and its options, codecs and their options
    ".mp4": (
        ("mp4", {"movflags": "+faststart"}),
        # Visually lossless on faces that were scaled up. One thread: what makes the pictures has the other cores.
        ("libx264", {"crf": "18", "preset": "veryfast", "threads": "1"}),
        ("aac", SOUND_RATE),
    ),
    ".webm": (
        ("webm", {}),
        ("libvpx", {"crf": "6", "b": "4M", "deadline": "realtime", "cpu-used": "4"}),
        ("libopus", 48000),
    ),
}


def is_synthetic(path: str | Path) -> bool:
    """Whether a file is a video whose comment says that its face was generated; False if it cannot be read."""
    try:
        with open_container(path) as container:
            return any(SYNTHETIC in text for key, text in container.metadata.items() if key.lower() == "comment")
    except InputError:
        return False


def write_pictures(path: str | Path, pictures: Iterable[np.ndarray], frame_rate: float, quality: int) -> None:
    """Writes a silent mp4 (H.264).

    Args:
        path: of the file, replaced.
        pictures: uint8 RGB of one even size [shape=(height, width, 3) each].
        frame_rate: frames per second.
        quality: constant rate factor, 0 for lossless to 51; 18 looks lossless.
    """
    rate = Fraction(frame_rate).limit_denominator(1001)
    with av.open(media_path(path), "w", format="mp4", options={"movflags": "+faststart"}) as container:
        stream: Any = container.add_stream("libx264", rate=rate, options={"crf": str(quality), "preset": "slow"})
        stream.pix_fmt = "yuv420p"
        for number, picture in enumerate(pictures):
            if not number:
                stream.height, stream.width = picture.shape[:2]
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            frame.pts, frame.time_base = number, 1 / rate
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))


class TalkingVideo:
    """A video being written, one batch of faces and one stretch of sound at a time.

    Used as a context manager; the file is complete when it closes.

    Args:
        path: of the file; its suffix is one of FORMATS.
        size: side of the faces in pixels, or their width if `height` is given.
        frame_rate: frames per second.
        comment: goes into the container's tag `comment`.
        height: of the pictures in pixels, where there is more in them than a face; width and height are even then.
    """

    def __init__(self, path: str | Path, size: int, frame_rate: float, comment: str, height: int | None = None) -> None:
        self.scale = -(-SHORTEST_SIDE // size)
        suffix = Path(path).suffix.lower()
        if suffix not in FORMATS:
            raise InputError(f"{path}: give the video a name that ends in {' or '.join(FORMATS)}")
        (container, options), (codec, picture_options), (sound_codec, rate) = FORMATS[suffix]
        with self._writing():
            self._container = av.open(media_path(path), "w", format=container, options=options)
        self._container.metadata["comment"] = comment
        self._frame_time = 1 / Fraction(frame_rate).limit_denominator(1001)
        picture: Any = self._container.add_stream(codec, rate=1 / self._frame_time, options=picture_options)
        picture.width, picture.height = size * self.scale, (height or size) * self.scale
        picture.pix_fmt = "yuv420p"
        sound: Any = self._container.add_stream(sound_codec, rate=rate, layout="mono")
        sound.bit_rate = SOUND_BIT_RATE
        self._picture, self._sound = picture, sound
        self._sound_samples = 0
        self._frames = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: Any) -> None:
        if exception[0] is None:
            with self._writing():
                for stream in (self._picture, self._sound):
                    self._container.mux(stream.encode(None))
                self._container.close()
        else:
            with contextlib.suppress(av.error.FFmpegError):
                self._container.close()

    @staticmethod
    @contextlib.contextmanager
    def _writing() -> Iterator[None]:
        """An error of the system as Python knows it; who opened the file says its name."""
        try:
            yield
        except av.error.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error

    @property
    def seconds(self) -> float:
        """Length of the picture so far."""
        return float(self._frames * self._frame_time)

    def write_faces(self, faces: np.ndarray | Iterable[np.ndarray]) -> None:
        """Appends faces: uint8 RGB [shape=(n, height, size, 3)], or an iterable of single ones."""
        for face in faces:
            large = cv2.resize(face, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_LANCZOS4)
            frame = av.VideoFrame.from_ndarray(np.asarray(large, np.uint8), format="rgb24")
            frame.pts = self._frames
            frame.time_base = self._frame_time
            self._frames += 1
            with self._writing():
                self._container.mux(self._picture.encode(frame))

    def write_sound(self, samples: np.ndarray) -> None:
        """Appends mono samples in [-1, 1] at SOUND_RATE [shape=(n,)]."""
        frame = av.AudioFrame.from_ndarray(np.asarray(samples, np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = SOUND_RATE
        frame.pts = self._sound_samples
        frame.time_base = Fraction(1, SOUND_RATE)
        self._sound_samples += len(samples)
        with self._writing():
            self._container.mux(self._sound.encode(frame))


def write_wav(path: str | Path, blocks: np.ndarray | Iterable[np.ndarray], sample_rate: int) -> int:
    """Writes mono sound as a 16-bit wav file, whole or not at all.

    Args:
        path: of the file.
        blocks: float samples in [-1, 1] [shape=(n,)], or an iterable of stretches of them.
        sample_rate: in Hz.

    Returns:
        number of samples written.
    """
    with atomic_write(path) as partial, open(partial, "wb") as file:
        return _write_wav(file, blocks, sample_rate)


def wav_bytes(samples: np.ndarray, sample_rate: int) -> bytes:
    """The same in memory."""
    file = io.BytesIO()
    _write_wav(file, samples, sample_rate)
    return file.getvalue()


def _write_wav(binary: IO[bytes], blocks: np.ndarray | Iterable[np.ndarray], sample_rate: int) -> int:
    blocks = [blocks] if isinstance(blocks, np.ndarray) else blocks
    with wave.open(binary, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(sample_rate)
        for samples in blocks:
            pcm = np.clip(np.rint(np.asarray(samples) * 32767), -32768, 32767).astype("<i2")
            file.writeframes(pcm.tobytes())
        return file.getnframes()
