"""What the page's server answers: the page itself, uploads, jobs, videos, the live face, and faces that are learned."""

import asyncio
import contextlib
import json
import tempfile
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

from starlette.applications import Starlette
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route, WebSocketRoute

from audio2faces.app.guard import Guard
from audio2faces.app.jobs import JobQueue, remove
from audio2faces.app.live import LiveService
from audio2faces.app.training_routes import NotHereError, TrainingHandlers, printable
from audio2faces.app.uploads import FullError
from audio2faces.published import PICTURE, SAMPLES, described
from media.reading import SPEECH_RATE, read_speech
from media.writing import wav_bytes
from runtime.errors import InputError

PAGE = Path(__file__).parent / "page"
FILES = {"common.js": "text/javascript", "page.js": "text/javascript", "live.js": "text/javascript",
         "microphone.js": "text/javascript", "train.js": "text/javascript", "style.css": "text/css"}  # fmt: skip
EXAMPLES = {
    "Lay red with L seven again": "speech.wav",
    "Bin green by U four please": "bgbu4p.mpg",
    "Place white at D five again": "pwad5a.mpg",
}  # sentences that no published model has learned from
LARGEST_REQUEST = 10_000  # bytes of JSON
UPLOAD_SECONDS = 120
LONGEST_WAIT = 20  # seconds that a request may wait for news of its job
ENDINGS = {"mp4": "video/mp4", "webm": "video/webm"}
GONE = "This video is not here any more; make it again."


def build_app(models: Any, limits: Any, trainings: Any, token: Any = None) -> Any:
    """The application.

    Args:
        models: dictionary from names to folders.
        limits: `jobs.Limits`.
        trainings: `trainings.Trainings`, which adds to `models`.
        token: that a browser must know, or None: then it must be one of this machine's.

    Returns:
        `starlette.applications.Starlette`.
    """
    handlers = RequestHandlers(models, limits, trainings)
    routes = [
        Route("/", handlers.page),
        Route("/train", handlers.training_page),
        Route("/page/{name}", handlers.page_file),
        Route("/api/choices", handlers.choices),
        Route("/api/models/{name}/picture", handlers.picture),
        Route("/api/examples/{name}", handlers.example),
        Route("/api/uploads", handlers.upload, methods=["POST"]),
        Route("/api/jobs", handlers.submit, methods=["POST"]),
        Route("/api/jobs/{key}", handlers.state),
        Route("/api/jobs/{key}", handlers.cancel, methods=["DELETE"]),
        Route("/api/jobs/{key}/video", handlers.video),
        WebSocketRoute("/live", handlers.live),
        *TrainingHandlers(trainings).routes(),
    ]
    exception_handlers = {InputError: refused, FullError: refused, NotHereError: refused, TimeoutError: too_slow,
                          OSError: not_stored}  # fmt: skip
    app = Starlette(routes=routes, lifespan=handlers.lifespan, exception_handlers=exception_handlers)
    app.add_middleware(Guard, token=token)
    return app


async def refused(request: Any, error: Any) -> Any:
    """One line of JSON for what cannot be done."""
    status = {FullError: 503, NotHereError: 404}.get(type(error), 400)
    return JSONResponse({"error": str(error)}, status)


async def too_slow(request: Any, error: Any) -> Any:
    """The same for an upload that takes too long."""
    return JSONResponse({"error": "The upload took too long."}, 408)


async def not_stored(request: Any, error: Any) -> Any:
    """The same for one that cannot be written."""
    return JSONResponse({"error": f"The server cannot store the file: {error.strerror}."}, 507)


class RequestHandlers:
    """An answer to each route; see `build_app`."""

    def __init__(self, models: Any, limits: Any, trainings: Any) -> None:
        self.models, self.limits, self.trainings = models, limits, trainings
        self.job_queue: Any = None
        self.live_service: Any = None

    @contextlib.asynccontextmanager
    async def lifespan(self, app: Any) -> AsyncIterator[None]:
        """What runs as long as the server does, and its folder."""
        folder = Path(tempfile.mkdtemp(prefix="audio2faces-"))
        self.job_queue, self.live_service = JobQueue(self.limits, folder), LiveService(self.models, folder)
        work = self.job_queue.work(), self.job_queue.tidy_up(), self.trainings.work()
        tasks = [asyncio.create_task(part) for part in work]
        try:
            yield
        finally:
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
            self.job_queue.close()
            self.live_service.close()
            self.trainings.close()
            remove(folder)

    async def page(self, request: Any) -> Any:
        """The page."""
        return HTMLResponse((PAGE / "index.html").read_text(encoding="utf-8"))

    async def training_page(self, request: Any) -> Any:
        """The page that learns a face."""
        return HTMLResponse((PAGE / "train.html").read_text(encoding="utf-8"))

    async def page_file(self, request: Any) -> Any:
        """What the page consists of."""
        name = request.path_params["name"]
        if name not in FILES:
            raise NotHereError("no such file")
        return FileResponse(PAGE / name, media_type=FILES[name])

    async def choices(self, request: Any) -> Any:
        """Models, examples and limits."""
        limits = {name: getattr(self.limits, name) for name in ("upload", "speech", "video")}
        return JSONResponse({"models": described(self.models), "examples": list(EXAMPLES), "limits": limits})

    async def picture(self, request: Any) -> Any:
        """A model's face at rest."""
        folder = self.models.get(request.path_params["name"])
        if folder is None or not (folder / PICTURE).is_file():
            raise NotHereError("no such picture")
        return FileResponse(folder / PICTURE, media_type="image/png")

    async def example(self, request: Any) -> Any:
        """The sound of an example, as any browser plays it."""
        name = request.path_params["name"]
        if name not in EXAMPLES:
            raise NotHereError("no such example")
        sound = await asyncio.to_thread(read_speech, SAMPLES / EXAMPLES[name])
        return Response(wav_bytes(sound, SPEECH_RATE), media_type="audio/wav")

    async def upload(self, request: Any) -> Any:
        """Stores a file; tells its key."""
        name = printable(request.query_params.get("name", "")) or "file"
        async with asyncio.timeout(UPLOAD_SECONDS):
            return JSONResponse({"key": await self.job_queue.receive(request.stream(), name)})

    async def submit(self, request: Any) -> Any:
        """Queues a job; tells its key."""
        body = await _json_of(request)
        model, ending = body.get("model"), body.get("format", "mp4")
        if not (isinstance(model, str) and model in self.models and isinstance(ending, str) and ending in ENDINGS):
            raise InputError("no such model or format")
        names = {}
        speech = self._file(body.get("speech"), names)
        source = None if body.get("source") is None else self._file(body["source"], names)
        return JSONResponse({"key": self.job_queue.submit(self.models[model], speech, source, names, f".{ending}")})

    def _file(self, key: Any, names: Any) -> Any:
        """Path of an upload or an example; what the user calls it goes to `names`."""
        if isinstance(key, str) and key in EXAMPLES:
            path, name = SAMPLES / EXAMPLES[key], key
        elif isinstance(key, str) and key in self.job_queue.uploads:
            upload = self.job_queue.uploads[key]
            path, name = upload.path, upload.name
        else:
            raise InputError("the file is not here any more; choose it again")
        names[path] = name
        return path

    def _job(self, request: Any) -> Any:
        """Key and job."""
        key = request.path_params["key"]
        if key not in self.job_queue.jobs:
            raise NotHereError(GONE)
        return key, self.job_queue.jobs[key]

    async def state(self, request: Any) -> Any:
        """What became of a job; with ?seen=VERSION only when there are news, or after a while."""
        key, job = self._job(request)
        seen = request.query_params.get("seen", "")
        if seen.isdecimal() and len(seen) < 10:
            await job.news(int(seen), LONGEST_WAIT)
        place = self.job_queue.queue.index(key) + 1 if key in self.job_queue.queue else 0
        answer = {"version": job.version, "state": job.state, "share": job.share, "place": place}
        answer |= {"message": job.message, "wrong": job.wrong}
        return JSONResponse(answer | ({"result": job.result} if job.result else {}))

    async def cancel(self, request: Any) -> Any:
        """Ends a job."""
        key, _ = self._job(request)
        self.job_queue.cancel(key)
        return JSONResponse({})

    async def video(self, request: Any) -> Any:
        """The video that a job has made; ?download to be saved."""
        _, job = self._job(request)
        if job.state != "done" or not job.output.is_file():
            raise NotHereError(GONE)
        ending = job.output.suffix[1:]
        disposition = "attachment" if "download" in request.query_params else "inline"
        return FileResponse(job.output, media_type=ENDINGS[ending], filename=f"talking.{ending}",
                            content_disposition_type=disposition)  # fmt: skip

    async def live(self, socket: Any) -> None:
        """Speaks with the browser that is live."""
        await self.live_service.serve(socket)


async def _json_of(request: Any) -> Any:
    """The dictionary that a request consists of.

    Raises:
        InputError: it is none, or too large.
    """
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > LARGEST_REQUEST:
            raise InputError("the request is too large")
    try:
        content = json.loads(body)
    except (ValueError, RecursionError):
        content = None
    if not isinstance(content, dict):
        raise InputError("the request is not a JSON object")
    return content
