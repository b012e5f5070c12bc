"""A face that speaks along with a live voice: samples come in as they are recorded, frames go out as early as possible.

A frame is known when the sound that its map sees after it has arrived, `look_ahead` samples. It is computed alone,
by the graph that is exported as the signature `stream` (`export.graph.ServedFace`).
"""

import asyncio
import contextlib
import struct
import time
from pathlib import Path
from typing import Any

import av
import cv2
import numpy as np
from starlette.websockets import WebSocketDisconnect

from audio2faces.app.models import LoadedModels
from audio2faces.app.worker import Worker
from media.sound import SoundRepair
from preprocessing.speech.audio_features import frame_centres
from runtime.backend import import_keras
from runtime.errors import InputError

JPEG_QUALITY = 88
HEADER = struct.Struct("<If")  # number of the frame, milliseconds that it was computed
SOUND_HEADER = struct.Struct("<d")  # number of the first sample that follows; 0 began the session
LONGEST_PUSH = 256_000  # bytes of samples at once
LONGEST_SESSION = 86_400  # seconds
LONGEST_GAP = 1.0  # seconds of lost sound that become silence; more is passed over
RATES = range(8000, 192_001)  # samples per second that a microphone may have
LOADING, LONGEST_SILENCE = 120, 10  # seconds to wait for a model, and for either side afterwards
PATIENCE = 3  # seconds to wait for the seat


class LiveFace:
    """Frames of a speech that goes on.

    Args:
        model: `FaceModel` or `began.face.BeganFace`.
        still: holds the head still.
    """

    def __init__(self, model: Any, still: bool = False) -> None:
        import tensorflow as tf

        from audio2faces.export.graph import ServedFace

        self.face = ServedFace(model, still=still, at_once=1)
        self._stream = self.face.signatures()["stream"].get_concrete_function()
        self._tf = tf
        self.reset()
        self.push(np.zeros(2 * self.face.look_ahead, np.float32))  # the first call takes longer than all others
        self.reset()

    def reset(self) -> None:
        """A new speech begins."""
        self._heard = np.zeros(self.face.context, np.float32)  # from sample number `_start - context` on
        self._start = 0  # frames before this sample are made
        self._next = 0  # number of the next frame

    def skip(self, sample: int) -> None:
        """Goes on at a later sample of the speech; what comes before it counts as silence and gets no more frames."""
        self.reset()
        self._start = sample
        times = np.arange(2) + np.floor(sample / self.face.features.sample_rate * self.face.frame_rate)
        before = frame_centres(times / self.face.frame_rate, self.face.features) < sample
        self._next = int(times[0]) + int(before.sum())

    def push(self, samples: np.ndarray) -> tuple[int, np.ndarray]:
        """Hears some more.

        Args:
            samples: float32 in [-1, 1] at the rate of the model's features [shape=(n,)].

        Returns:
            (first, frames): number of the first frame that is known now, and all that are: uint8 RGB
            [shape=(n, size, size, 3)].
        """
        self._heard = np.concatenate([self._heard, np.asarray(samples, np.float32)])
        first = self._next
        end = self._start + len(self._heard) - self.face.context - self.face.look_ahead
        if round(self._next / self.face.frame_rate * self.face.features.sample_rate) >= end:
            return first, np.zeros((0, self.face.size, self.face.size, 3), np.uint8)
        tf = self._tf
        out = self._stream(
            samples=tf.constant(self._heard[None]),
            lengths=tf.constant([len(self._heard)], tf.int32),
            start=tf.constant([self._start], tf.int32),
            last=tf.constant([False]),
        )
        frames = out["frames"].numpy()[0, : int(out["counts"][0])]
        self._heard, self._start = self._heard[end - self._start :], end
        self._next += len(frames)
        return first, frames


class AnyRate:
    """Sound of any sample rate made into sound of another one, as it comes.

    Args:
        given: samples per second of what comes.
        wanted: samples per second of what goes.
    """

    def __init__(self, given: int, wanted: int) -> None:
        self._given = given
        self._resampler = None if given == wanted else av.AudioResampler("flt", "mono", wanted)

    def __call__(self, samples: np.ndarray) -> np.ndarray:
        """What is known now: float32 [shape=(n,)] of float32 of any length."""
        if self._resampler is None or not len(samples):
            return samples
        frame = av.AudioFrame.from_ndarray(samples[None], format="flt", layout="mono")
        frame.sample_rate = self._given
        parts = [part.to_ndarray()[0] for part in self._resampler.resample(frame)]
        return np.concatenate([np.zeros(0, np.float32), *parts])


class LiveSpeech:
    """Sound that arrives in pieces, each with its place in time, on its way to a `LiveFace`.

    What was lost on the way becomes silence, so that what comes after it is in its place.

    Args:
        face: `LiveFace`.
        sample_rate: of the pieces, in Hz.
    """

    def __init__(self, face: LiveFace, sample_rate: int) -> None:
        self._face, self._rate = face, sample_rate
        self._resampled, self._repair = AnyRate(sample_rate, face.face.features.sample_rate), SoundRepair(sample_rate)
        self._next = 0  # number of the sample that is expected

    def feed(self, number: int, samples: np.ndarray) -> tuple[int, np.ndarray]:
        """Hears some more.

        Args:
            number: of the first of the samples since the session began.
            samples: float32, mono [shape=(n,)]; samples that came before are skipped.

        Returns:
            as `LiveFace.push`.
        """
        lost = number - self._next
        self._next = max(self._next, number + len(samples))
        samples = self._repair(samples[None, max(-lost, 0) :])[0].clip(-1, 1)
        if lost > LONGEST_GAP * self._rate:
            wanted = self._face.face.features.sample_rate
            self._face.skip(round(number / self._rate * wanted))
            self._resampled = AnyRate(self._rate, wanted)
        elif lost > 0:
            samples = np.concatenate([np.zeros(lost, np.float32), samples])
        return self._face.push(self._resampled(samples))


def packed(number: Any, milliseconds: Any, face: Any) -> Any:
    """A frame as it goes over the wire: HEADER, then a JPEG of uint8 RGB [shape=(size, size, 3)]."""
    picture = cv2.imencode(".jpg", face[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return HEADER.pack(number, milliseconds) + picture.tobytes()


def unpacked(content: bytes, rate: int) -> tuple[int, np.ndarray] | None:
    """The sound that a message holds: the number of its first sample, float32 samples [shape=(n,)]; None if none.

    Args:
        content: bytes of a SOUND_HEADER and of samples.
        rate: samples per second.
    """
    length = len(content) - SOUND_HEADER.size
    if not 0 < length <= LONGEST_PUSH or length % 4:
        return None
    (number,) = SOUND_HEADER.unpack_from(content)
    if not 0 <= number <= LONGEST_SESSION * rate:  # nor NaN
        return None
    return int(number), np.frombuffer(content, "<f4", offset=SOUND_HEADER.size)


def speak_live(pipe: Any) -> None:
    """The worker: through the pipe come a model folder and a sample rate, then sound, then None, and so on.

    It answers the first with a dictionary of the model's rates, or the text of an error, and each piece of sound, a
    sample's number and an array from it on, with a list of frames, `packed`.
    """
    import_keras()
    from audio2faces.trained.face import load_model

    faces = LoadedModels(lambda folder: LiveFace(load_model(folder)))
    while True:
        if (request := pipe.recv()) is None:
            continue
        folder, sample_rate = request
        try:
            face = faces[folder]
        except InputError as error:
            pipe.send(str(error))
            continue
        face.reset()
        features = face.face.features
        look_ahead = face.face.look_ahead / features.sample_rate
        pipe.send({"frame_rate": face.face.frame_rate, "look_ahead": look_ahead, "size": face.face.size})
        speech = LiveSpeech(face, sample_rate)
        while (sound := pipe.recv()) is not None:
            begun = time.monotonic()
            first, frames = speech.feed(*sound)
            took = (time.monotonic() - begun) * 1000
            pipe.send([packed(first + place, took, frame) for place, frame in enumerate(frames)])


class LiveService:
    """The place of the one browser that may be live, and the process that makes its frames.

    Args:
        models: dictionary from names to folders.
        scratch: folder for the process's files.
    """

    def __init__(self, models: dict[str, Path], scratch: Path) -> None:
        self._models = models
        self._worker = Worker(speak_live, scratch)
        self._seat = asyncio.Lock()

    async def serve(self, socket: Any) -> None:
        """Speaks with one browser until either ends: samples in, frames out; at a fault a last line that says which."""
        await socket.accept()
        folder = self._models.get(socket.query_params.get("model"))
        rate = socket.query_params.get("rate", "")
        if folder is None or not (rate.isdecimal() and len(rate) <= 6 and int(rate) in RATES):
            problem = "no such model or sample rate"
        elif not await self._taken():
            problem = "Somebody is live already; try again later."
        else:
            try:
                problem = await self._speak(socket, folder, int(rate))
            except WebSocketDisconnect:
                return
            except (EOFError, OSError):  # the process is gone, or does not answer
                self._worker.end()
                problem = "The face does not answer any more; start again."
            finally:
                self._seat.release()
        with contextlib.suppress(RuntimeError, WebSocketDisconnect):  # the browser is gone
            await socket.send_json({"error": problem})
            await socket.close()

    async def _taken(self) -> bool:
        """Takes the seat, if it is free or somebody is just leaving."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(PATIENCE):
                return await self._seat.acquire()
        return False

    async def _speak(self, socket: Any, folder: Path, rate: int) -> Any:
        """The conversation; gives why it ended, if the browser did not end it."""
        pipe = await asyncio.to_thread(self._worker.started)

        def answer(what, seconds):
            pipe.send(what)
            if not pipe.poll(seconds):
                raise EOFError
            return pipe.recv()

        try:
            loading = asyncio.create_task(asyncio.to_thread(answer, (folder, rate), LOADING))
            coming = asyncio.create_task(socket.receive())
            await asyncio.wait([loading, coming], return_when=asyncio.FIRST_COMPLETED)
            if coming.done():  # a browser speaks after the answer: it has left
                self._worker.end()
                await asyncio.gather(loading, return_exceptions=True)
                raise WebSocketDisconnect(coming.result().get("code", 1002))
            about = await loading
            if isinstance(about, str):
                return about
            await socket.send_json(about)
            while True:
                arrived, _ = await asyncio.wait([coming], timeout=LONGEST_SILENCE)
                if not arrived:
                    return f"Nothing came from the microphone for {LONGEST_SILENCE} s."
                message = coming.result()
                if message["type"] == "websocket.disconnect":
                    raise WebSocketDisconnect
                sound = unpacked(message.get("bytes") or b"", rate)
                if sound is None:
                    return "the message is not audio samples"
                coming = asyncio.create_task(socket.receive())
                for frame in await asyncio.to_thread(answer, sound, LONGEST_SILENCE):
                    await socket.send_bytes(frame)
        finally:
            coming.cancel()
            with contextlib.suppress(OSError):
                pipe.send(None)

    def close(self) -> None:
        """Ends the process."""
        self._worker.end()
