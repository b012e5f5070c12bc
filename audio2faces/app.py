"""A page in the browser: speech in, a talking face out, recorded, uploaded or live.

It listens on this machine alone, unless --host says otherwise; then a token is needed, which the printed address holds.
Nothing on the page comes from any other host. Files are kept for minutes and go when the server stops.
"""

import argparse
import asyncio
import contextlib
import json
import secrets
import sys
from pathlib import Path
from urllib.parse import quote, urlsplit

from preprocessing.files import read_json
from preprocessing.program import InputError, command, program

from .jobs import FullError, Limits, Studio
from .live import LONGEST_PUSH, LiveSeat
from .published import DEFAULT_MODEL, MODELS, SAMPLES

PAGE = Path(__file__).parent / "page"
FILES = {"page.js": "text/javascript", "live.js": "text/javascript", "microphone.js": "text/javascript",
         "style.css": "text/css"}  # fmt: skip
EXAMPLES = ("speech.wav", "lbwk9s.mpg", "sgac2n.mkv")  # of the samples
LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "audio2faces"
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
LARGEST_REQUEST = 10_000  # bytes of JSON
UPLOAD_SECONDS = 120
LONGEST_WAIT = 20  # seconds that a request may wait for the end of its job
ENDINGS = {"mp4": "video/mp4", "webm": "video/webm"}


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog=command("app"), description=__doc__)
    parser.add_argument(
        "--model", action="append", metavar="MODEL", default=[], help="another model folder; may be given again"
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)"
    )
    parser.add_argument("--port", type=int, default=7860, help="default: 7860")
    parser.add_argument(
        "--token", help="that a browser must know (default: a random one, where --host is not this machine)"
    )
    units = {"upload": "bytes of a file", "speech": "seconds of speech", "waiting": "jobs", "seconds": "for a job"}
    for name, unit in units.items():
        standard = getattr(Limits(), name)
        option = {"type": type(standard), "default": standard, "metavar": "NUMBER"}
        parser.add_argument(f"--most-{name}", **option, help=f"{unit} at most (default: {standard:g})")
    return parser.parse_args()


@program
def main():
    """Starts the server and prints its address."""
    arguments = parse_arguments()
    try:
        import uvicorn
    except ImportError:
        raise InputError(
            "the page needs more packages: pip install 'audio2faces[app]', or starlette uvicorn websockets"
        ) from None
    token = arguments.token or (None if arguments.host in LOOPBACK else secrets.token_urlsafe(16))
    limits = Limits(upload=arguments.most_upload, speech=arguments.most_speech, waiting=arguments.most_waiting,
                    seconds=arguments.most_seconds)  # fmt: skip
    app = build_app(models_of(arguments.model), limits, token)
    address = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
    query = f"/?token={quote(token)}" if token else ""

    class Server(uvicorn.Server):
        """Says where it is to be found as soon as it is there."""

        async def startup(self, sockets=None):
            await super().startup(sockets)
            if self.started:
                print(f"open http://{address}:{arguments.port}{query} in a browser; Ctrl-C ends it", flush=True)

    server = Server(uvicorn.Config(app, arguments.host, arguments.port, log_level="critical", ws_max_size=LONGEST_PUSH))
    with contextlib.suppress(SystemExit):
        server.run()
    if not server.started:
        raise InputError(f"--port {arguments.port}: cannot listen there; give another one")


def models_of(given):
    """Name of each model that can be chosen, and its folder: the given ones, then the published ones.

    Raises:
        InputError: a given folder is no model.
    """
    models = {}
    for folder in map(Path, given):
        if not (folder / "config.json").is_file():
            raise InputError(f"{folder}: no model folder; it has no config.json")
        models[str(read_json(folder / "config.json").get("name", folder.name))] = folder
    published = sorted(path for path in MODELS.iterdir() if (path / "config.json").is_file())
    for folder in [DEFAULT_MODEL, *(path for path in published if path != DEFAULT_MODEL)]:
        models.setdefault(folder.name, folder)
    return models


def build_app(models, limits, token=None):
    """The application.

    Args:
        models: dictionary from names to folders.
        limits: `jobs.Limits`.
        token: that a browser must know, or None: then it must be one of this machine's.

    Returns:
        `starlette.applications.Starlette`.
    """
    from starlette.applications import Starlette
    from starlette.responses import FileResponse, HTMLResponse, JSONResponse
    from starlette.routing import Route, WebSocketRoute

    examples = {name: SAMPLES / name for name in EXAMPLES}
    live = LiveSeat()

    @contextlib.asynccontextmanager
    async def lifespan(app):
        app.state.studio = Studio(limits)
        worker = asyncio.create_task(app.state.studio.work())
        try:
            yield
        finally:
            worker.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await worker
            app.state.studio.close()
            live.close()

    async def page(request):
        return HTMLResponse((PAGE / "index.html").read_text(encoding="utf-8"))

    async def page_file(request):
        name = request.path_params["name"]
        if name not in FILES:
            return JSONResponse({"error": "no such file"}, 404)
        return FileResponse(PAGE / name, media_type=FILES[name])

    async def choices(request):
        return JSONResponse({
            "models": list(models),
            "examples": list(examples),
            "limits": {"upload": limits.upload, "speech": limits.speech},
        })  # fmt: skip

    async def example(request):
        path = examples.get(request.path_params["name"])
        return FileResponse(path) if path else JSONResponse({"error": "no such example"}, 404)

    async def upload(request):
        name = "".join(letter for letter in request.query_params.get("name", "file")[-80:] if letter.isprintable())
        async with asyncio.timeout(UPLOAD_SECONDS):
            return JSONResponse({"key": await request.app.state.studio.receive(request.stream(), name or "file")})

    async def ask(request):
        studio, body = request.app.state.studio, b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > LARGEST_REQUEST:
                raise InputError("the request is too large")
        try:
            asked = json.loads(body)
            model, speech, source = (asked.get(name) for name in ("model", "speech", "source"))
            ending = asked.get("format", "mp4")
            known = model in models and ending in ENDINGS
        except (ValueError, AttributeError, TypeError):
            raise InputError("the request is no JSON object of strings") from None
        if not known:
            raise InputError("no such model or format")
        names, paths = {}, []
        for key in (speech, source):
            if key is None and paths:
                paths.append(None)
            elif isinstance(key, str) and key in examples:
                paths.append(examples[key])
            elif isinstance(key, str) and key in studio.uploads:
                paths.append(studio.uploads[key].path)
                names[paths[-1]] = studio.uploads[key].name
            else:
                raise InputError("the file is not here any more; choose it again")
        return JSONResponse({"key": studio.ask(models[model], *paths, names, f".{ending}")})

    def job_of(request):
        return request.app.state.studio.jobs.get(request.path_params["key"])

    async def state(request):
        job, queue = job_of(request), request.app.state.studio.queue
        if job is None:
            return JSONResponse({"error": "this video is not here any more"}, 404)
        if "wait" in request.query_params:
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.finished.wait(), LONGEST_WAIT)
        key = request.path_params["key"]
        place = queue.index(key) + 1 if key in queue else 0
        answer = {"state": job.state, "share": job.share, "place": place, "message": job.message}
        return JSONResponse(answer | ({"result": job.result} if job.state == "done" else {}))

    async def video(request):
        job = job_of(request)
        if job is None or job.state != "done" or not job.output.is_file():
            return JSONResponse({"error": "this video is not here any more"}, 404)
        ending = job.output.suffix[1:]
        disposition = "attachment" if "download" in request.query_params else "inline"
        return FileResponse(job.output, media_type=ENDINGS[ending], filename=f"talking.{ending}",
                            content_disposition_type=disposition)  # fmt: skip

    async def talk(socket):
        await live.serve(socket, models)

    async def refused(request, error):
        status = 503 if isinstance(error, FullError) else 400
        return JSONResponse({"error": str(error)}, status)

    async def too_slow(request, error):
        return JSONResponse({"error": "The upload took too long."}, 408)

    routes = [
        Route("/", page),
        Route("/page/{name}", page_file),
        Route("/api/choices", choices),
        Route("/api/examples/{name}", example),
        Route("/api/uploads", upload, methods=["POST"]),
        Route("/api/jobs", ask, methods=["POST"]),
        Route("/api/jobs/{key}", state),
        Route("/api/jobs/{key}/video", video),
        WebSocketRoute("/live", talk),
    ]
    app = Starlette(
        routes=routes,
        lifespan=lifespan,
        exception_handlers={InputError: refused, FullError: refused, TimeoutError: too_slow},
    )
    app.add_middleware(Guard, token=token)
    return app


class Guard:
    """Lets in who knows the token, or, without one, who asks for this machine by a name of its own.

    The latter keeps out pages of other hosts that had their name point here (DNS rebinding); the Origin of what changes
    something, or opens a socket, must be this server.
    """

    def __init__(self, app, token):
        self.app, self.token = app, token

    async def __call__(self, scope, receive, send):
        """See ASGI."""
        from starlette.requests import HTTPConnection
        from starlette.responses import JSONResponse, RedirectResponse

        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        problem = self._problem(connection)
        if problem:
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            return await JSONResponse({"error": problem}, 403, HEADERS)(scope, receive, send)
        if self.token and "token" in connection.query_params and scope["path"] == "/":
            answer = RedirectResponse("/", 303, HEADERS)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="strict")
            return await answer(scope, receive, send)

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    *((k.lower().encode(), v.encode()) for k, v in HEADERS.items()),
                ]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _problem(self, connection):
        """Why somebody is not let in, or None."""
        host = connection.headers.get("host", "")
        if self.token:
            shown = connection.query_params.get("token") or connection.cookies.get(COOKIE) or ""
            if not secrets.compare_digest(shown.encode(), self.token.encode()):
                return "Open the address that the server printed: it holds the token."
        elif urlsplit(f"//{host}").hostname not in LOOPBACK:
            return "This server answers on 127.0.0.1 and localhost alone."
        origin = connection.headers.get("origin")
        if origin is not None and urlsplit(origin).netloc != host:
            return "This request comes from another page."
        return None


if __name__ == "__main__":
    sys.exit(main())
