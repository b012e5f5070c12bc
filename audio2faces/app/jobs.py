"""Videos made one after the other on request, by a process of its own: a queue with limits.

The worker may crash on a damaged file, run out of time or of memory: the job has failed then, the next one gets a new
worker, and the server never notices.
"""

import asyncio
import contextlib
import secrets
import shutil
import sys
import time
import traceback
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from audio2faces.app.uploads import FullError, store
from audio2faces.app.video_worker import UNREADABLE, make_videos
from audio2faces.app.worker import Worker

POLL = 0.1  # seconds between looks at the worker
TIDYING = 5.0  # seconds between looks for what is too old
CANCELLED = "It was cancelled."


@dataclass(frozen=True)
class Limits:
    """What a server takes on.

    Attributes:
        upload: bytes of a file.
        stored: bytes of all uploads, and of all videos, that are kept.
        files: so many of either.
        speech: seconds of speech of a video.
        waiting: jobs in the queue.
        seconds: that a job may take.
        kept: seconds that uploads wait to be used, and videos are kept.
        video: bytes of a video that a face is learned from.
        faces: that are kept.
    """

    upload: int = 50_000_000
    stored: int = 2_000_000_000
    files: int = 1000
    speech: float = 120.0
    waiting: int = 30
    seconds: float = 600.0
    kept: float = 900.0
    video: int = 1_000_000_000
    faces: int = 50


@dataclass
class Upload:
    """A file that somebody uploaded. Its name is theirs: it is shown, never used as a path."""

    path: Path
    name: str
    size: int = 0
    since: float = field(default_factory=time.monotonic)


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
        wrong: which file is at fault, "speech" or "source"; empty where it is none, or not known.
        result: what the worker tells of a finished video (`video_worker`).
        version: goes up with each change.
        since: time of the last change.
    """

    model: Path
    speech: Path
    source: Path | None
    names: dict
    output: Path
    state: str = "waiting"
    share: float | None = 0.0
    message: str = ""
    wrong: str = ""
    result: dict = field(default_factory=dict)
    version: int = 0
    since: float = field(default_factory=time.monotonic)
    _changed: asyncio.Event = field(default_factory=asyncio.Event)

    def change(self, **values: Any) -> None:
        """Sets attributes, and wakes whoever waits for news."""
        for name, value in values.items():
            setattr(self, name, value)
        self.version, self.since = self.version + 1, time.monotonic()
        self._changed.set()
        self._changed = asyncio.Event()

    async def news(self, seen: Any, seconds: Any) -> None:
        """Waits until the version is not `seen`, or some seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                while self.version == seen and not self.ended:
                    await self._changed.wait()

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in ("done", "failed")

    def at_fault(self, text: str) -> Any:
        """The file that a complaint is about: see `wrong`."""
        if text == UNREADABLE:
            return "speech" if self.source is None else ""
        paths = {"speech": self.speech, "source": self.source}
        return next((name for name, path in paths.items() if path is not None and str(path) in text), "")

    def named(self, text: str) -> Any:
        """The same text with the user's names in the place of paths."""
        for path, name in self.names.items():
            text = text.replace(str(path), name)
        return text


class JobQueue:
    """Uploads, the queue and the worker.

    Args:
        limits: `Limits`.
        folder: of uploads and videos.
    """

    def __init__(self, limits: Limits, folder: Path) -> None:
        self.limits, self.folder = limits, folder
        self.uploads, self.jobs, self.queue = {}, {}, []
        self._worker = Worker(make_videos, folder)
        self._woken = asyncio.Event()

    async def receive(self, chunks: Any, name: str) -> str:
        """Stores an upload.

        Args:
            chunks: asynchronous iterable of bytes.
            name: what the user calls the file.

        Returns:
            its key.

        Raises:
            FullError: there is no room for it.
            InputError: it is larger than the limit, or empty.
        """
        key = secrets.token_urlsafe(16)
        upload = self.uploads[key] = Upload(self.folder / f"upload-{key}", name)

        def full(size: int) -> bool:
            upload.size = size
            stored = sum(other.size for other in self.uploads.values())
            return len(self.uploads) > self.limits.files or stored > self.limits.stored

        try:
            await store(chunks, upload.path, name, self.limits.upload, full)
        except BaseException:
            self.uploads.pop(key, None)
            _delete(upload.path)
            raise
        return key

    def submit(self, model: Any, speech: Any, source: Any, names: Any, suffix: Any) -> Any:
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

    def cancel(self, key: Any) -> None:
        """Ends a job that waits or is worked at; of another it forgets the video."""
        job = self.jobs[key]
        if key in self.queue:
            self.queue.remove(key)
        self._fail(job, CANCELLED)
        self._forget_uploads(job)

    async def work(self) -> None:
        """Makes one video after the other, for ever."""
        self._worker.started()  # it takes seconds to load what it needs
        while True:
            while not self.queue:
                self._woken.clear()
                await self._woken.wait()
            job = self.jobs[self.queue.pop(0)]
            for key in self.queue:
                self.jobs[key].change()  # its place
            job.change(state="working")
            try:
                await self._make(job)
            except Exception:  # the next job is to be made whatever this one did
                traceback.print_exc(file=sys.stderr)
                self._fail(job, "Something went wrong here; the server's log tells what.")
            self._forget_uploads(job)

    async def tidy_up(self) -> None:
        """Deletes what is too old or too much, for ever."""
        while True:
            self.tidy()
            await asyncio.sleep(TIDYING)

    async def _make(self, job: Any) -> None:
        end = time.monotonic() + self.limits.seconds
        try:
            pipe = self._worker.started()
            pipe.send((job.model, job.speech, job.source, job.output, self.limits.speech))
            while job.state == "working":
                if time.monotonic() > end:
                    self._worker.end()
                    self._fail(job, f"It took longer than {self.limits.seconds:g} s; give a shorter one.")
                elif pipe.poll():
                    self._hear(job, *pipe.recv())
                else:
                    await asyncio.sleep(POLL)
            if job.message == CANCELLED:
                self._worker.end()
                self._fail(job, CANCELLED)  # once more: now nobody writes
        except (EOFError, OSError):  # the worker is gone
            self._worker.end()
            self._fail(job, UNREADABLE)

    def _hear(self, job: Any, kind: Any, content: Any) -> None:
        """What the worker says of a job."""
        if kind == "share":
            job.change(share=content)
        elif kind == "made":
            content["notes"] = [job.named(note) for note in content["notes"]]
            job.change(share=1.0, result=content, state="done")
        else:
            self._fail(job, content)

    def _fail(self, job: Any, message: Any) -> None:
        job.change(state="failed", message=job.named(message), wrong=job.at_fault(message))
        for left in job.output.parent.rglob(f"*{job.output.name}"):  # by a worker that was killed, in a hidden folder
            _delete(left)

    def _forget_uploads(self, job: Any) -> None:
        """Deletes what a job has read, unless another one is to read it."""
        needed = {path for other in self.jobs.values() if not other.ended for path in other.names}
        for key in [key for key, upload in self.uploads.items() if upload.path in job.names.keys() - needed]:
            _delete(self.uploads.pop(key).path)

    def tidy(self) -> None:
        """Deletes what is too old; of videos also the oldest that are too much."""
        old = time.monotonic() - self.limits.kept
        needed = {path for job in self.jobs.values() if not job.ended for path in job.names}
        for key, upload in list(self.uploads.items()):
            if upload.since < old and upload.path not in needed:
                _delete(self.uploads.pop(key).path)
        room = self.limits.stored
        ended = [(key, job) for key, job in self.jobs.items() if job.ended]
        for place, (key, job) in enumerate(sorted(ended, key=lambda item: -item[1].since)):  # the latest first
            room -= job.output.stat().st_size if job.output.is_file() else 0
            if job.since < old or room < 0 or place >= self.limits.files:
                _delete(self.jobs.pop(key).output)

    def close(self) -> None:
        """Ends the worker."""
        self._worker.end()


def _delete(path: Path) -> None:
    """Deletes a file if it can be; what cannot goes with the folder."""
    with contextlib.suppress(OSError):
        path.unlink()


def remove(folder: Path) -> None:
    """Deletes a folder with all that is in it, as far as can be."""
    shutil.rmtree(folder, ignore_errors=True)
