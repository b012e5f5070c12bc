"""Media files that the tests make for themselves."""

import base64
import zlib
from fractions import Fraction

import av
import numpy as np

from media.reading import read_frames

# A HEIC picture of two tiles of 64 pixels, as phones write them, packed.
TILED_HEIC = (
    "eNpjYGCQSCupLMhIzUxmAILczDRDCJtxT25qSSIDBChmpOQUQdkMBZnJJQxogK8gsyQXzGIGYofMnPxkRiDDBcRnBIsDScY7QFqK"
    "gQnO/wbmQ1QwQk3iAGLfzMy8NLhpokBOKhNIBVBNRlmyIQOKIBOmIFhfelFmCogpk1mUmgY1XCAlMzcdKMkE0cdwIrOgqABIL8os"
    "SM4H0kVAk5wZWThABsxfASI/MPz5++MHAwM/8wKgHnEHRh7G//+RFTDI7WJyWAiUU3NiZESVWKDQyDrtlafRzgUKIAEQway4CKiU"
    "3YXxYNEGJQegjSKZxQWpUNc5QDGyWANUTC6zIBcWG8AAY2pkYmACEcyMzSB/ZaYkloADsQGs2iYXwhfTYFzPUmEjNKvyw/3/f+z/"
    "d6dFqc7oP4BbBgBehmGo"
)


def write_tiled_heic(path):
    """Writes TILED_HEIC to a file."""
    path.write_bytes(zlib.decompress(base64.b64decode(TILED_HEIC)))


def tone(seconds, sample_rate, frequency=220.0):
    """A sine of amplitude 0.5, float32 [shape=(samples,)]."""
    return (0.5 * np.sin(2 * np.pi * frequency * np.arange(round(seconds * sample_rate)) / sample_rate)).astype("f")


def write_sound(path, channels, sample_rate, layout, codec):
    """Writes float channels [shape=(channels, samples)] with any codec of FFmpeg."""
    write_tracks(path, [channels], sample_rate, layout, codec)


def write_tracks(path, tracks, sample_rate, layout="mono", codec="pcm_s16le", default=0):
    """Writes several tracks of sound, each as `write_sound` takes it; one of them is marked as default."""
    with av.open(str(path), "w") as container:
        streams = [container.add_stream(codec, rate=sample_rate, layout=layout) for _ in tracks]
        for number, stream in enumerate(streams):
            stream.disposition = av.stream.Disposition.default if number == default else av.stream.Disposition(0)
        for stream, channels in zip(streams, tracks, strict=True):
            samples = np.ascontiguousarray(np.transpose(channels), np.float32).reshape(1, -1)
            frame = av.AudioFrame.from_ndarray(samples, format="flt", layout=layout)
            frame.sample_rate = sample_rate
            resampler = av.AudioResampler(format=stream.format, layout=layout, rate=sample_rate)
            for part in [*resampler.resample(frame), *resampler.resample(None)]:
                container.mux(stream.encode(part))
            container.mux(stream.encode(None))


def write_video(
    path, images, frame_rate=25, speech=None, sample_rate=16000, preset="ultrafast", ticks=None, codec="libx264",
    orientation=None, pixel_ratio=1,
):  # fmt: skip
    """Writes RGB images, and mono speech where given.

    Args:
        path: of the file.
        images: uint8 RGB [shape=(height, width, 3)] of one size.
        frame_rate: frames per second.
        speech: float samples, or None for no sound.
        sample_rate: of the speech, in Hz.
        preset: of the encoder; "medium" makes frames that refer to later ones.
        ticks: time of each image in 1 / frame_rate seconds, or None for one after the other.
        codec: of the picture.
        orientation: arguments of PyAV's `set_display_rotation`, or None.
        pixel_ratio: width of a pixel over its height.
    """
    with av.open(str(path), "w") as container:
        options = {"crf": "12", "preset": preset} if codec == "libx264" else {"qscale": "2"}
        video = container.add_stream(codec, rate=Fraction(frame_rate), options=options)
        video.height, video.width = images[0].shape[:2]
        video.pix_fmt = "yuv420p"
        video.codec_context.sample_aspect_ratio = Fraction(pixel_ratio)
        if orientation is not None:
            video.set_display_rotation(*orientation)
        sound = container.add_stream("aac", rate=sample_rate, layout="mono") if speech is not None else None
        for image, tick in zip(images, range(len(images)) if ticks is None else ticks, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(image), format="rgb24")
            frame.pts, frame.time_base = tick, 1 / Fraction(frame_rate)
            container.mux(video.encode(frame))
        container.mux(video.encode(None))
        if sound:
            frame = av.AudioFrame.from_ndarray(np.asarray(speech, np.float32)[None], format="fltp", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = sample_rate, 0, Fraction(1, sample_rate)
            container.mux(sound.encode(frame))
            container.mux(sound.encode(None))


def copy_video(source, path, clock_rate):
    """Puts the encoded pictures of one file into another container, whose clock ticks so often a second."""
    with av.open(str(source)) as read, av.open(str(path), "w") as written:
        stream = written.add_stream_from_template(read.streams.video[0])
        stream.time_base = Fraction(1, clock_rate)
        for packet in read.demux(video=0):
            if packet.dts is not None:
                packet.stream = stream
                written.mux(packet)


def frames_of(path):
    """All frames of a video as a list of RGB images."""
    return [image for _, image in read_frames(path)]
