"""Decoded frames of sound, whatever their form, as channels of one sample rate."""

from pathlib import Path
from typing import Any

import av
import numpy as np

from media.sound import SoundRepair
from runtime.errors import InputError

MOST_PLANES = 8  # of a frame; PyAV cannot read more


class Channels:
    """The channels of frames at one sample rate; their form may change, as in files that were joined.

    Args:
        path: of the file, for messages.
        sample_rate: wanted, in Hz.
        scale: factor for samples, which then are repaired; None leaves them as they are.
    """

    def __init__(self, path: str | Path, sample_rate: int, scale: float | None) -> None:
        self._path, self._sample_rate, self._scale = path, sample_rate, scale
        self._resampler: Any = None
        self._form: Any = None
        self._repair: Any = None
        self.notes = []  # what was repaired, a line each; complete after the last `rest`

    def of(self, frame: Any) -> list[np.ndarray]:
        """What is known when another frame has come: a list of float32 [shape=(channels, n)].

        Raises:
            InputError: FFmpeg cannot convert sound of this form.
        """
        if self._resampler is not None:
            return _arrays(self._resampler.resample(self._repaired(frame)))
        self._form, self._repair = _form(frame), SoundRepair(frame.sample_rate)
        frame = self._repaired(frame)
        targets = [("fltp", "mono" if frame.layout.nb_channels == 1 else "stereo"), ("flt", frame.layout)]
        if frame.layout.nb_channels > 2 and frame.layout.name.endswith(" channels"):
            del targets[0]  # FFmpeg does not know what they are: nothing tells how to mix them down
        for form, layout in targets:
            self._resampler = av.AudioResampler(format=form, layout=layout, rate=self._sample_rate)
            try:
                return _arrays(self._resampler.resample(frame))
            except (av.error.FFmpegError, ValueError) as error:
                failure = error
        raise InputError(
            f"{self._path}: its sound of {frame.layout.nb_channels} channels at {frame.sample_rate} Hz cannot be "
            "converted; save it as mono or stereo"
        ) from failure

    def rest(self, coming: Any = None) -> list[np.ndarray]:
        """What is held back, where the `coming` frame has another form or there is none: a list as that of `of`."""
        if self._resampler is None or (coming is not None and _form(coming) == self._form):
            return []
        arrays = _arrays(self._resampler.resample(None))
        self.notes += self._repair.notes()
        self._resampler = self._repair = None
        return arrays

    def _repaired(self, frame: Any) -> Any:
        """The frame itself, unless its samples are floats and need scaling or repair."""
        if self._scale is None or not holds_floats(frame.format):
            return frame
        count, time = frame.layout.nb_channels, frame.time
        if frame.format.is_planar and count > MOST_PLANES:
            packed = av.AudioResampler(format=frame.format.packed.name, layout=frame.layout, rate=frame.sample_rate)
            (frame,) = packed.resample(frame)
        samples = frame.to_ndarray()
        channels = samples if frame.format.is_planar else samples.reshape(-1, count).T
        scaled = channels if self._scale == 1 else channels * self._scale
        repaired = self._repair(scaled, time or 0.0)
        if repaired is channels:
            return frame
        array = repaired if frame.format.is_planar else repaired.T.reshape(1, -1)
        array = np.ascontiguousarray(array, samples.dtype)
        result = av.AudioFrame.from_ndarray(array, frame.format.name, frame.layout)
        result.sample_rate, result.pts, result.time_base = frame.sample_rate, frame.pts, frame.time_base
        return result


def holds_floats(form: Any) -> bool:
    """Whether samples of a format of PyAV may be no numbers or beyond full scale."""
    return form.name.startswith(("flt", "dbl"))


def _form(frame: Any) -> tuple[str, str, int]:
    return frame.format.name, frame.layout.name, frame.sample_rate


def _arrays(frames: list[Any]) -> list[np.ndarray]:
    """Planar or packed float32 frames as arrays [shape=(channels, n)]."""
    return [
        frame.to_ndarray() if frame.format.is_planar else frame.to_ndarray().reshape(-1, frame.layout.nb_channels).T
        for frame in frames
    ]
