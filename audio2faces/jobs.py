"""Videos made one after the other for whoever asks, by a process of its own: a queue with limits.

What people upload is decoded in the worker alone. It may crash on a damaged file, run out of time or of memory: the job
has failed then, the next one gets a new worker, and the server never notices.
"""

import asyncio
import contextlib
import secrets
import shutil
import sys
import tempfile
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from preprocessing.program import InputError, import_keras

from .worker import Worker

PEAKS_PER_SECOND = 50  # of the waveform that is shown
MEMORY = 8 * 2**30  # bytes of data that a worker may hold
POLL = 0.1  # seconds between looks at the worker
UNREADABLE = "The file could not be read: decoding it failed."


@dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        upload: bytes of a file.
        files: uploads that wait, and videos that are kept, so many of each.
        speech: seconds of speech of a video.
        waiting: jobs in the queue.
        seconds: that a job may take.
        kept: seconds that uploads wait to be used, and videos are kept.
    """

    upload: int = 50_000_000
    files: int = 100
    speech: float = 120.0
    waiting: int = 30
    seconds: float = 600.0
    kept: float = 900.0


@dataclass
class Upload:
    """A file that somebody uploaded. Its name is theirs: it is shown, never used as a path."""

    path: Path
    name: str
    touched: float = field(default_factory=time.monotonic)


@dataclass
class Job:
    """A video to make, being made, or made.

    Attributes:
        model: its folder.
        speech, source: paths; `source` may be None.
        names: what the user calls each of these paths.
        output: path of the video.
        state: "waiting", "working", "done" or "failed".
        share: of the frames that are there, None where their number is not known.
        message: why it failed.
        result: what the worker tells of a finished video (`_made`).
        finished: set when it is done or has failed.
    """

    model: Path
    speech: Path
    source: Path | None
    names: dict
    output: Path
    state: str = "waiting"
    share: float | None = 0.0
    message: str = ""
    result: dict = field(default_factory=dict)
    finished: asyncio.Event = field(default_factory=asyncio.Event)
    touched: float = field(default_factory=time.monotonic)


class FullError(Exception):
    """There is no room for more; the text says so to the user."""


class Studio:
    """Uploads, the queue, the worker, and their folder, which goes when the studio closes.

    Args:
        limits: `Limits`.
    """

    def __init__(self, limits):
        self.limits = limits
        self.folder = Path(tempfile.mkdtemp(prefix="audio2faces-"))
        self.uploads, self.jobs, self.queue = {}, {}, []
        self._worker = Worker(work_for)
        self._woken = asyncio.Event()

    async def receive(self, chunks, name):
        """Stores an upload.

        Args:
            chunks: asynchronous iterable of bytes.
            name: what the user calls the file.

        Returns:
            its key.

        Raises:
            FullError: too many files are kept.
            InputError: it is larger than the limit, or empty.
        """
        if len(self.uploads) >= self.limits.files:
            raise FullError("Too many files are waiting here. Please try again in a minute.")
        key = secrets.token_urlsafe(16)
        upload = self.uploads[key] = Upload(self.folder / f"upload-{key}", name)
        size = 0
        try:
            with open(upload.path, "wb") as file:
                async for chunk in chunks:
                    size += len(chunk)
                    if size <= self.limits.upload:  # the rest is heard to its end: who still speaks hears no answer
                        file.write(chunk)
            if size > self.limits.upload:
                raise InputError(f"{name}: larger than {self.limits.upload / 1e6:g} MB; cut it")
            if not size:
                raise InputError(f"{name}: the file is empty")
        except BaseException:
            self.uploads.pop(key, None)
            upload.path.unlink(missing_ok=True)
            raise
        return key

    def ask(self, model, speech, source, names, suffix):
        """Queues a job.

        Args:
            model: folder.
            speech: path.
            source: path or None.
            names: as for `Job`.
            suffix: ".mp4" or ".webm".

        Returns:
            its key.

        Raises:
            FullError: too many jobs are waiting.
        """
        if len(self.queue) >= self.limits.waiting:
            raise FullError(f"{len(self.queue)} videos are waiting already. Please try again in a minute.")
        key = secrets.token_urlsafe(16)
        self.jobs[key] = Job(model, speech, source, names, self.folder / f"video-{key}{suffix}")
        self.queue.append(key)
        self._woken.set()
        return key

    async def work(self):
        """Makes one video after the other, for ever; tidies up in between."""
        try:
            while True:
                while not self.queue:
                    self._woken.clear()
                    with contextlib.suppress(TimeoutError):
                        await asyncio.wait_for(self._woken.wait(), 1.0)
                    self.tidy()
                job = self.jobs[self.queue.pop(0)]
                job.state = "working"
                try:
                    await self._make(job)
                except Exception:  # the next job is to be made whatever this one did
                    traceback.print_exc(file=sys.stderr)
                    self._fail(job, "Something went wrong here; the server's log tells what.")
                self._finished(job)
                self.tidy()
        finally:
            self._worker.end()

    async def _make(self, job):
        end = time.monotonic() + self.limits.seconds
        try:
            pipe = self._worker.pipe()
            pipe.send((job.model, job.speech, job.source, job.output, self.limits.speech))
            while job.state == "working":
                if time.monotonic() > end:
                    self._worker.end()
                    self._fail(job, f"It took longer than {self.limits.seconds:g} s; give a shorter one.")
                elif pipe.poll():
                    self._hear(job, *pipe.recv())
                else:
                    await asyncio.sleep(POLL)
        except (EOFError, OSError):  # the worker is gone
            self._worker.end()
            self._fail(job, UNREADABLE)

    def _hear(self, job, kind, content):
        """What the worker says of a job."""
        if kind == "share":
            job.share = content
        elif kind == "made":
            job.share, job.result, job.state = 1.0, content, "done"
        else:
            self._fail(job, content)

    def _fail(self, job, message):
        for path, name in job.names.items():
            message = message.replace(str(path), name)
        job.state, job.message = "failed", message
        for left in job.output.parent.glob(f"*{job.output.name}"):  # by a worker that was killed
            left.unlink()

    def _finished(self, job):
        job.touched = time.monotonic()
        job.finished.set()
        for key in [key for key, upload in self.uploads.items() if upload.path in job.names]:
            self._forget(key)

    def _forget(self, key):
        """Deletes an upload, unless another job is to read it."""
        path = self.uploads[key].path
        if not any(path in job.names and not job.finished.is_set() for job in self.jobs.values()):
            del self.uploads[key]
            path.unlink(missing_ok=True)

    def tidy(self):
        """Deletes what is too old or too much."""
        old = time.monotonic() - self.limits.kept
        for key in [key for key, upload in self.uploads.items() if upload.touched < old]:
            self._forget(key)
        over = [key for key, job in self.jobs.items() if job.finished.is_set()]  # the oldest first
        for place, key in enumerate(over):
            if self.jobs[key].touched < old or place < len(over) - self.limits.files:
                self.jobs.pop(key).output.unlink(missing_ok=True)

    def close(self):
        """Ends the worker and removes every file."""
        self._worker.end()
        shutil.rmtree(self.folder, ignore_errors=True)


def work_for(pipe):
    """The worker: makes the videos that are asked for through a pipe, until it is closed.

    It receives (model folder, speech, source, output, seconds), and sends ("share", of the frames) now and then, and
    at the end ("made", what `_made` tells) or ("failed", why).
    """
    with contextlib.suppress(ImportError, ValueError, OSError):
        import resource

        resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    import_keras()
    from .model_folder import load_model

    models = {}
    while True:
        try:
            folder, *task = pipe.recv()
        except EOFError:
            return
        try:
            if folder not in models:
                models[folder] = load_model(folder)
            pipe.send(("made", _made(models[folder], *task, lambda share: pipe.send(("share", share)))))
        except InputError as error:
            pipe.send(("failed", str(error)))
        except MemoryError:
            pipe.send(("failed", "The file is too large to be taken apart."))
        except Exception:  # whatever a damaged file does to a decoder
            traceback.print_exc(file=sys.stderr)
            pipe.send(("failed", UNREADABLE))


def _made(model, speech, source, output, longest, report):
    """Makes a video; tells its frames, notes, opening of the mouth at each frame, and the waveform's peaks."""
    from preprocessing.media import sound_duration, stream_speech

    from .generation import Options, generate_video
    from .measures import mouth_opening

    too_long = InputError(f"{speech}: longer than {longest:g} s; cut it")
    if (sound_duration(speech) or 0) > longest:
        raise too_long
    opening, most = [], longest * model.frame_rate + 1

    def watch(faces, total):
        opening.extend(mouth_opening(np.asarray(faces)).tolist())
        if len(opening) > most:
            raise too_long
        report(min(1.0, len(opening) / total) if total else None)

    frames, notes = generate_video(model, speech, output, options=Options(source=source), watch=watch)
    rate = 16000
    samples = np.concatenate([np.zeros(0), *stream_speech(speech, rate)])
    step = rate // PEAKS_PER_SECOND
    peaks = np.abs(np.pad(samples, (0, -len(samples) % step)).reshape(-1, step)).max(axis=1)
    return {
        "frames": frames,
        "frame_rate": model.frame_rate,
        "notes": [str(note) for note in notes],
        "opening": [round(value, 4) for value in opening],
        "peaks": peaks.round(3).tolist(),
        "peaks_per_second": PEAKS_PER_SECOND,
    }
