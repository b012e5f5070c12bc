"""Faces that are learned on request, one after the other, each in a folder of its own that outlives the server.

A folder NAME holds about.json, the video, data/ (its dataset), runs/NAME/ (its run, with the model) and log.txt. What
was being done when the server ended goes on when it starts again.
"""

import asyncio
import contextlib
import os
import re
import secrets
import shutil
import subprocess
import sys
import traceback
from collections.abc import AsyncIterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from audio2faces.app.jobs import Limits
from audio2faces.app.uploads import FullError, store
from preprocessing.sources.listing import VIDEO_SUFFIXES
from runtime.errors import InputError
from runtime.files import check_output_folder, exclusive, read_json, write_json

ABOUT = "about.json"  # what a face is learned from and with; see `Training.about`
FOUND = "found.json"  # what preparing found in the video
DATA = "data"
LOG = "log.txt"
SCRATCH = "scratch"  # of the process's temporary files
NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,39}")
POLL = 0.2  # seconds between looks at the process
UPLOADING, DELETED = ".upload-", ".deleted-"  # names of folders that are not, or not any more, a face's
LAST_SECONDS = 5.0  # that it has to end by itself
TAIL = 4000  # bytes at the end of a log, in which its last line is looked for
FULL_DISK = 20_000_000  # bytes that are left of a disk that counts as full
TASKS = {"preparing": ("prepare", "prepared"), "training": ("train", "done")}  # state: task of the worker, next state
PICTURES = {  # by the name that the page asks for: those that may show it, the newest of which does
    "contact_sheet": ("data/contact_sheet.png",),
    "curves": ("runs/*/regressor/curves.png", "runs/*/refiner/curves.png"),
    "faces": ("runs/*/regressor/samples/*.png", "runs/*/refiner/samples/*.png"),
}
NO_CLIP = "gave a clip"  # in an error of which lines before tell the reasons
COUNTED = re.compile(r"([^:]+): (\d+)/(\d+) ")  # a line of `runtime.progress.progress`
LEFT = re.compile(r"([\d:]+) left")  # in it: of the phase, then in all


@dataclass
class Training:
    """A face that is learned, or was.

    Attributes:
        folder: of its files; its name is the face's.
        about: what about.json holds: the name of the video's file, `size` in pixels, `licence`, `steps` of each stage
            or None for the preset's, `state` and `message`.
    """

    folder: Path
    about: dict[str, Any]

    @property
    def name(self) -> str:
        """Of the face."""
        return self.folder.name

    @property
    def state(self) -> str:
        """One of "preparing", "prepared", "training", "done", "stopped" and "failed"."""
        return self.about["state"]

    @property
    def ended(self) -> bool:
        """Whether nothing more will come by itself."""
        return self.state not in TASKS

    @property
    def model(self) -> Path:
        """Folder of the model, which is there when training is done."""
        return self.folder / "runs" / self.name / "model"

    def enter(self, state: str, message: str = "") -> None:
        """Goes to another state, which is kept in about.json where that can be written."""
        self.about = {**self.about, "state": state, "message": message}
        with contextlib.suppress(OSError, InputError):
            write_json(self.folder / ABOUT, self.about)

    def picture(self, name: str) -> Path | None:
        """The newest picture of a kind in PICTURES, if there is one."""
        return _newest(self.folder, name)[0]

    def described(self) -> dict[str, Any]:
        """What the page shows."""
        described: dict[str, Any] = {"name": self.name, "size": self.about["size"]}
        described |= {"state": self.state, "message": self.about["message"]}
        described["pictures"] = {name: _newest(self.folder, name)[1] for name in PICTURES}
        if not self.ended:
            described["progress"] = progress_of(last_line(self.folder / LOG))
        with contextlib.suppress(InputError, OSError):
            found = read_json(self.folder / FOUND)
            described["found"] = {**found, "warnings": [_without_path(line, self.folder) for line in found["warnings"]]}
        if self.state == "done":
            with contextlib.suppress(InputError, OSError, KeyError):
                report = read_json(self.model.parent / "evaluation.json")
                described["verdict"] = " ".join(report["verdict"].values())
        return described


class Trainings:
    """The faces of a folder, and the process that learns one of them.

    Args:
        limits: `jobs.Limits`.
        folder: of the faces; made when the first one comes.
        models: dictionary from names to model folders, in which a face stands when it is learned.
        steps: training steps of each stage; None for the preset's.

    Raises:
        InputError: another process uses the folder, or a face in it has the name of another model.
    """

    def __init__(self, limits: Limits, folder: Path, models: dict[str, Path], steps: int | None = None) -> None:
        self.limits, self.folder, self._models, self._steps = limits, folder.resolve(), models, steps
        self.faces: dict[str, Training] = {}
        self.queue: list[Training] = []
        self._at_work: Training | None = None
        self._woken = asyncio.Event()
        self._held = contextlib.ExitStack()
        self._opened = False
        check_output_folder(folder)
        if folder.is_dir():
            self._open()

    def _open(self) -> None:
        """Takes hold of the folder; finds the faces in it."""
        self.folder.mkdir(parents=True, exist_ok=True)
        self._held.enter_context(
            exclusive(self.folder, f"{self.folder}: another server keeps its faces there; give another --faces")
        )
        self._opened = True
        for folder in sorted(self.folder.iterdir()):
            if folder.name.startswith((UPLOADING, DELETED)):  # cut off
                shutil.rmtree(folder, ignore_errors=True)
            elif (folder / ABOUT).is_file():
                with contextlib.suppress(InputError):
                    self.faces[folder.name] = Training(folder, read_json(folder / ABOUT))
        for face in self.faces.values():
            if face.name in self._models:
                raise InputError(
                    f"{face.folder}: another model is named {face.name}, too ({self._models[face.name]}); rename one"
                )
            if not face.ended:
                self.queue.append(face)
            elif face.state == "done" and (face.model / "config.json").is_file():
                self._models[face.name] = face.model
            elif face.state == "done":
                face.enter("failed", "Its model is not there any more.")

    async def receive(self, chunks: AsyncIterable[bytes], name: str, file: str, size: int, licence: str) -> Training:
        """Stores a video, and queues its preparation.

        Args:
            chunks: of the video's bytes.
            name: of the face.
            file: name of the video's file.
            size: of the faces in pixels.
            licence: that the video may be learned from, and who said so.

        Raises:
            FullError: there is no room for it.
            InputError: the name is taken or none, or the video is larger than the limit or empty.
            OSError: it cannot be written.
        """
        try:
            if not self._opened:
                self._open()
            self._check(name)
        except (FullError, InputError, OSError):
            async for _ in chunks:  # a client that is still sending reads no answer
                pass
            raise
        partial = self.folder / f"{UPLOADING}{secrets.token_urlsafe(8)}"
        suffix = Path(file).suffix.lower()
        video = f"video{suffix if suffix in VIDEO_SUFFIXES else '.mp4'}"  # not a list, which may name other files
        about = {"video": video, "size": size, "licence": licence, "steps": self._steps}
        about |= {"state": "preparing", "message": ""}
        try:
            partial.mkdir()
            await store(chunks, partial / video, file, self.limits.video)
            write_json(partial / ABOUT, about)
            self._check(name)  # another one may have come meanwhile
            partial.rename(self.folder / name)
        finally:
            shutil.rmtree(partial, ignore_errors=True)
        face = self.faces[name] = Training(self.folder / name, about)
        self._add(face)
        return face

    def _check(self, name: str) -> None:
        if not NAME.fullmatch(name):
            raise InputError(
                "a name has up to 40 characters: A to Z without accents, digits, - and _, the first a letter or a digit"
            )
        if name in self._models or (self.folder / name).exists():
            raise InputError(f"there is already a face called {name}; choose another name")
        if len(self.faces) >= self.limits.faces:
            raise FullError(f"There are {len(self.faces)} faces already; delete one first.")

    def start(self, face: Training) -> None:
        """Queues the training of a face that is prepared, or what was stopped or failed.

        Raises:
            InputError: there is nothing to be done.
        """
        if not face.ended or face.state == "done":
            raise InputError(f"{face.name} is {'trained' if face.ended else 'worked at'} already")
        if self.stopping(face):
            raise InputError(f"{face.name} is still stopping; try again in a moment")
        face.enter("training" if (face.folder / FOUND).is_file() else "preparing")
        self._add(face)

    def _add(self, face: Training) -> None:
        self.queue.append(face)
        self._woken.set()

    def stopping(self, face: Training) -> bool:
        """Whether a face was stopped whose process has not ended yet."""
        return face is self._at_work and face.ended

    def place(self, face: Training) -> int:
        """How many faces are worked at before this one, and it; 0 where it is worked at or does not wait."""
        return self.queue.index(face) + 1 if face in self.queue else 0

    async def stop(self, face: Training) -> None:
        """Stops what is being done with a face; `start` goes on from there."""
        if face in self.queue:
            self.queue.remove(face)
        if not face.ended:
            face.enter("stopped")
        while self._at_work is face:  # `_work_at` ends the process
            await asyncio.sleep(POLL)

    async def delete(self, face: Training) -> None:
        """Deletes a face with all that is kept of it."""
        await self.stop(face)
        self._models.pop(face.name, None)
        self.faces.pop(face.name, None)
        gone = self.folder / f"{DELETED}{secrets.token_urlsafe(8)}"
        with contextlib.suppress(FileNotFoundError):
            face.folder.rename(gone)
        await asyncio.to_thread(shutil.rmtree, gone, ignore_errors=True)

    async def work(self) -> None:
        """Works at one face after the other, for ever."""
        while True:
            while not self.queue:
                self._woken.clear()
                await self._woken.wait()
            face = self.queue.pop(0)
            try:
                await self._work_at(face)
            except Exception:  # the next face is to be worked at whatever this one did
                traceback.print_exc(file=sys.stderr)
                face.enter("failed", "Something went wrong here; the server's log tells what.")

    async def _work_at(self, face: Training) -> None:
        state = face.state
        task, following = TASKS[state]
        root, scratch = str(Path(__file__).parents[2]), face.folder / SCRATCH
        scratch.mkdir(exist_ok=True)
        path = os.pathsep.join(filter(None, (root, os.environ.get("PYTHONPATH"))))
        with open(face.folder / LOG, "ab") as log:
            log.write(b"starting\n")
            log.flush()
            process: Any = subprocess.Popen(
                [sys.executable, "-m", "audio2faces.app.train_worker", str(face.folder), task],
                stdin=subprocess.PIPE, stdout=log, stderr=log, start_new_session=True,
                env={**os.environ, "TMPDIR": str(scratch), "PYTHONPATH": path},
            )  # fmt: skip
        self._at_work = face
        try:
            while process.poll() is None and face.state == state:
                await asyncio.sleep(POLL)
            if face.state != state:
                await asyncio.to_thread(_end, process)
            shutil.rmtree(scratch, ignore_errors=True)
        finally:
            process.stdin.close()  # where the server ends: the process notices, and there is no time to wait for it
            self._at_work = None
        if face.state != state:
            return
        if process.returncode:
            face.enter("failed", _why(face.folder, process.returncode))
            return
        face.enter(following)
        if following == "done":
            self._models[face.name] = face.model

    def close(self) -> None:
        """Lets go of the folder, when `work` has ended; what it did goes on when the server starts again."""
        self._held.close()


def _end(process: Any) -> None:
    """Stops a process as Ctrl-C does; if it does not stop, ends it."""
    process.stdin.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(LAST_SECONDS)
    process.kill()
    process.wait()


def _why(folder: Path, status: int) -> str:
    """Why a process failed: its last line, if that is an error."""
    line = last_line(folder / LOG)
    skipped = last_line(folder / LOG, "skipped: ").removeprefix("skipped: ")
    if shutil.disk_usage(folder).free < FULL_DISK:
        return "There is no space left on the disk; free some, then continue."
    if line.startswith("error: ") and NO_CLIP in line and skipped:
        return _without_path(skipped, folder)
    if line.startswith("error: "):
        return _without_path(line.removeprefix("error: "), folder)
    return f"It ended unexpectedly (status {status}); {LOG} in the face's folder may tell why. Continue, or delete it."


def _without_path(line: str, folder: Path) -> str:
    """A message without the path of a face's folder, which says nothing to who looks at the page."""
    for part in (f"{folder / DATA}: ", f"{folder}{os.sep}"):
        line = line.replace(part, "")
    return re.sub(r"^video\.\w+: ", "", line)


def last_line(log: Path, begin: str = "") -> str:
    """The last line of a log that is not empty and begins so; "" if there is none."""
    try:
        with open(log, "rb") as file:
            file.seek(max(0, file.seek(0, os.SEEK_END) - TAIL))
            lines = file.read().decode(errors="replace").splitlines()
    except OSError:
        return ""
    return next((line.strip() for line in reversed(lines) if line.strip() and line.startswith(begin)), "")


def progress_of(line: str) -> dict[str, Any]:
    """What a line of `runtime.progress.progress` says.

    Returns:
        `text` of what is done; `share` of it from 0 to 1, and the time `left` in all, or of this phase, as a text: each
        None where it is no such line.
    """
    counted, left = COUNTED.match(line), LEFT.findall(line)
    if not counted or not int(counted[3]):
        return {"text": None, "share": None, "left": None}
    share = min(1.0, int(counted[2]) / int(counted[3]))
    return {"text": counted[1], "share": share, "left": left[-1] if left else None}


def _newest(folder: Path, name: str) -> tuple[Path | None, int]:
    """The newest picture of a kind in PICTURES and its time in ns; (None, 0) without one."""
    newest: tuple[Path | None, int] = None, 0
    for pattern in PICTURES[name]:
        for path in folder.glob(pattern):
            with contextlib.suppress(OSError):
                newest = max(newest, (path, path.stat().st_mtime_ns), key=lambda item: item[1])
    return newest
