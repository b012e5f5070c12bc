"""A face that speaks while it is spoken: samples come in as they are heard, frames go out as soon as they can be known.

A frame is known when the sound that its map sees after it has been heard, `look_ahead` samples. It is computed alone,
by the graph that is exported as the signature `stream` (`serving.ServedFace`).
"""

import asyncio
import contextlib
import struct
import time

import cv2
import numpy as np

from .worker import Worker

JPEG_QUALITY = 88
HEADER = struct.Struct("<If")  # number of the frame, milliseconds that it was computed
LONGEST_PUSH = 64_000  # bytes of samples at once: a second


class LiveFace:
    """Frames of a speech that goes on.

    Args:
        model: `model_folder.TalkingFace` or `began.model_folder.BeganFace`.
        seed: of the idle motion; None holds the head still.
    """

    def __init__(self, model, seed=0):
        import tensorflow as tf

        from .serving import ServedFace

        self.face = ServedFace(model, seed=seed, at_once=1)
        self._stream = self.face.signatures()["stream"].get_concrete_function()
        self._tf = tf
        self.reset()
        self.push(np.zeros(2 * self.face.look_ahead, np.float32))  # the first call takes longer than all others
        self.reset()

    def reset(self):
        """A new speech begins."""
        self._heard = np.zeros(self.face.context, np.float32)  # from sample number `_start - context` on
        self._start = 0  # frames before this sample are made
        self._next = 0  # number of the next frame

    def push(self, samples):
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


def packed(number, milliseconds, face):
    """A frame as it goes over the wire: HEADER, then a JPEG of uint8 RGB [shape=(size, size, 3)]."""
    picture = cv2.imencode(".jpg", face[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, JPEG_QUALITY])[1]
    return HEADER.pack(number, milliseconds) + picture.tobytes()


def live_for(pipe):
    """The worker of a live face: a model folder comes through the pipe, then samples, then None, and so on.

    It answers with a dictionary of rates, or the text of an error, and to each array of samples with a list of frames,
    `packed`.
    """
    from preprocessing.program import InputError, import_keras

    import_keras()
    from .model_folder import load_model

    faces = {}
    while True:
        try:
            if (folder := pipe.recv()) is None:
                continue
            if folder not in faces:
                faces[folder] = LiveFace(load_model(folder))
            face = faces[folder]
        except EOFError:
            return
        except InputError as error:
            pipe.send(str(error))
            continue
        face.reset()
        features = face.face.features
        pipe.send(
            {
                "frame_rate": face.face.frame_rate,
                "sample_rate": features.sample_rate,
                "look_ahead": face.face.look_ahead / features.sample_rate,
                "size": face.face.size,
            }
        )
        while (samples := pipe.recv()) is not None:
            begun = time.monotonic()
            first, frames = face.push(samples)
            took = (time.monotonic() - begun) * 1000
            pipe.send([packed(first + place, took, frame) for place, frame in enumerate(frames)])


class LiveSeat:
    """The place of the one browser that may be live, and the process that makes its frames."""

    def __init__(self):
        self._worker = Worker(live_for)
        self._taken = False

    async def serve(self, socket, models):
        """Speaks with one browser: samples in, frames out, until either ends."""
        from starlette.websockets import WebSocketDisconnect

        await socket.accept()
        folder = models.get(socket.query_params.get("model"))
        if self._taken or folder is None:
            await socket.send_json(
                {"error": "Somebody is live already; try again later." if folder else "no such model"}
            )
            return await socket.close()
        self._taken = True
        loop = asyncio.get_running_loop()

        pipe = self._worker.pipe()

        def asked(what):
            pipe.send(what)
            return pipe.recv()

        try:
            about = await loop.run_in_executor(None, asked, folder)
            if isinstance(about, str):
                return await socket.send_json({"error": about})
            await socket.send_json(about)
            while True:
                content = await socket.receive_bytes()
                if len(content) % 4 or len(content) > LONGEST_PUSH:
                    break
                samples = np.nan_to_num(np.frombuffer(content, "<f4")).clip(-1, 1)
                for frame in await loop.run_in_executor(None, asked, samples):
                    await socket.send_bytes(frame)
        except (WebSocketDisconnect, KeyError):
            pass
        except (EOFError, OSError):  # the process is gone
            self.close()
        finally:
            self._taken = False
            with contextlib.suppress(OSError):
                pipe.send(None)
            with contextlib.suppress(RuntimeError):
                await socket.close()

    def close(self):
        """Ends the process."""
        self._worker.end()
