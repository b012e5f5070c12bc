"""Media files that the tests make for themselves."""

from fractions import Fraction

import av
import numpy as np

from preprocessing.media import read_frames


def tone(seconds, sample_rate, frequency=220.0):
    """A sine of amplitude 0.5, float32 [shape=(samples,)]."""
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype("f")


def write_sound(path, channels, sample_rate, layout, codec):
    """Writes float channels [shape=(channels, samples)] with any codec of FFmpeg."""
    with av.open(str(path), "w") as container:
        stream = container.add_stream(codec, rate=sample_rate, layout=layout)
        frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(channels, np.float32), format="fltp", layout=layout)
        frame.sample_rate = sample_rate
        resampler = av.AudioResampler(format=stream.format, layout=layout, rate=sample_rate)
        for part in [*resampler.resample(frame), *resampler.resample(None)]:
            container.mux(stream.encode(part))
        container.mux(stream.encode(None))


def write_video(path, images, frame_rate=25, speech=None, sample_rate=16000, preset="ultrafast", rotation=0):
    """Writes RGB images, and mono speech where given; returns whether the rotation (degrees) could be noted."""
    with av.open(str(path), "w") as container:
        video = container.add_stream("libx264", rate=Fraction(frame_rate), options={"crf": "12", "preset": preset})
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        if rotation and not hasattr(video, "set_display_rotation"):
            return False
        if rotation:
            video.set_display_rotation(rotation)
        sound = container.add_stream("aac", rate=sample_rate, layout="mono") if speech is not None else None
        for image in images:
            container.mux(video.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")))
        container.mux(video.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(np.asarray(speech, np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))
    return True


def frames_of(path):
    """All frames of a video as a list of RGB images."""
    return [image for _, image in read_frames(path)]
