"""Writes a video of a face that talks: H.264 picture, AAC sound, and a comment that says what it is."""

import contextlib
from fractions import Fraction

import av
import cv2
import numpy as np

SHORTEST_SIDE = 256  # pixels; smaller faces are scaled up by a whole factor
SOUND_RATE = 44100  # Hz
SOUND_BIT_RATE = 128000  # bit/s
QUALITY = "18"  # x264's constant rate factor: visually lossless on up-scaled faces


class TalkingVideo:
    """An mp4 file being written, one batch of faces and one stretch of sound at a time.

    Used as a context manager; the file is complete when it closes.

    Args:
        path: of the mp4 file.
        size: side of the faces in pixels, or their width if `height` is given.
        frame_rate: frames per second.
        comment: goes into the container's tag `comment`.
        height: of the pictures in pixels, where there is more in them than a face; width and height are even then.
    """

    def __init__(self, path, size, frame_rate, comment, height=None):
        self.scale = -(-SHORTEST_SIDE // size)
        with self._writing():
            self._container = av.open(str(path), "w", format="mp4", options={"movflags": "+faststart"})
        self._container.metadata["comment"] = comment
        self._frame_time = 1 / Fraction(frame_rate).limit_denominator(1001)
        self._picture = self._container.add_stream(
            "libx264", rate=1 / self._frame_time, options={"crf": QUALITY, "preset": "veryfast"}
        )
        self._picture.width, self._picture.height = size * self.scale, (height or size) * self.scale
        self._picture.pix_fmt = "yuv420p"
        self._sound = self._container.add_stream("aac", rate=SOUND_RATE, layout="mono")
        self._sound.bit_rate = SOUND_BIT_RATE
        self._sound_samples = 0
        self._frames = 0

    def __enter__(self):
        return self

    def __exit__(self, *exception):
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
    def _writing():
        """An error of the system as Python knows it; who opened the file says its name."""
        try:
            yield
        except av.error.FFmpegError as error:
            raise OSError(error.errno, error.strerror) from error

    @property
    def seconds(self):
        """Length of the picture so far."""
        return float(self._frames * self._frame_time)

    def write_faces(self, faces):
        """Appends faces: uint8 RGB [shape=(n, height, size, 3)], or an iterable of single ones."""
        for face in faces:
            large = cv2.resize(face, None, fx=self.scale, fy=self.scale, interpolation=cv2.INTER_LANCZOS4)
            frame = av.VideoFrame.from_ndarray(large, format="rgb24")
            frame.pts = self._frames
            frame.time_base = self._frame_time
            self._frames += 1
            with self._writing():
                self._container.mux(self._picture.encode(frame))

    def write_sound(self, samples):
        """Appends mono samples in [-1, 1] at SOUND_RATE [shape=(n,)]."""
        frame = av.AudioFrame.from_ndarray(np.asarray(samples, np.float32)[None], format="fltp", layout="mono")
        frame.sample_rate = SOUND_RATE
        frame.pts = self._sound_samples
        frame.time_base = Fraction(1, SOUND_RATE)
        self._sound_samples += len(samples)
        with self._writing():
            self._container.mux(self._sound.encode(frame))
