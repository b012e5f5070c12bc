"""A page in the browser: speech in, a talking face out, recorded, uploaded or live; and it learns faces from videos.

It listens on this machine alone, unless --host says otherwise; then a token is needed, which the printed address holds.
Nothing on the page comes from any other host. Speech and the videos made of it are kept for minutes and go when the
server stops. Faces that were learned stay in the folder --faces until they are deleted on the page.
"""

import argparse
import contextlib
import math
import os
import secrets
import signal
import socket
import sys
from pathlib import Path
from typing import Any
from urllib.parse import quote

from audio2faces.app.guard import LOOPBACK
from audio2faces.published import find_model, models_of
from runtime.backend import check_backend
from runtime.errors import InputError
from runtime.program import ArgumentParser, command, number, program

LAST_SECONDS = 3  # for answers that are under way when the server stops


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog=command("app"), description=__doc__)
    parser.add_argument(
        "--model",
        type=find_model,
        action="append",
        metavar="MODEL",
        default=[],
        help="another model folder beside the published ones; may be given again",
    )
    parser.add_argument(
        "--host", default="127.0.0.1", help="address to listen on (default: 127.0.0.1, this machine alone)"
    )
    parser.add_argument("--port", type=number(0, 65535, int), default=7860, help="default: 7860; 0: any that is free")
    parser.add_argument(
        "--token",
        type=token,
        help="token that browsers must present (default: a random one, where --host is not this machine)",
    )
    parser.add_argument(
        "--faces",
        type=Path,
        metavar="FOLDER",
        default=Path("faces"),
        help="folder in which trained faces are kept (default: faces)",
    )
    parser.add_argument(
        "--steps", type=number(1, math.inf, int), help="training steps of each stage (default: by the amount of speech)"
    )
    limits: tuple = (  # name, lowest, highest, kind, unit, default, what it is
        ("video", 1, 100_000, int, "MB", 1000, "largest video to train on"),
        ("upload", 1, 100_000, int, "MB", 50, "largest uploaded file"),
        ("speech", 1, 36_000, float, "SECONDS", 120.0, "longest speech of a video"),
        ("waiting", 1, 10_000, int, "JOBS", 30, "most videos that may wait"),
        ("seconds", 0, 1_000_000, float, "SECONDS", 600.0, "longest time for one video"),
    )
    for name, lowest, highest, kind, unit, default, what in limits:
        bounds = number(lowest, highest, kind)
        text = f"{what} (default: {default:g})"
        parser.add_argument(f"--most-{name}", type=bounds, metavar=unit, default=default, help=text)
    return parser.parse_args()


def token(text: str) -> Any:
    """What can stand in an address and a cookie as it is, for argparse."""
    if not (text.isascii() and text.replace("-", "").replace("_", "").isalnum()):
        raise argparse.ArgumentTypeError("letters, digits, - and _ only")
    return text


@program
def main() -> None:
    """Starts the server and prints its address."""
    arguments = parse_arguments()
    try:
        import uvicorn

        from audio2faces.app.routes import build_app
    except ImportError:
        raise InputError("the page needs more packages: pip install starlette uvicorn websockets") from None
    check_backend()
    from audio2faces.app.jobs import Limits
    from audio2faces.app.live import LONGEST_PUSH
    from audio2faces.app.trainings import Trainings

    secret = arguments.token or (None if arguments.host in LOOPBACK else secrets.token_urlsafe(16))
    limits = Limits(upload=arguments.most_upload * 1_000_000, speech=arguments.most_speech,
                    waiting=arguments.most_waiting, seconds=arguments.most_seconds,
                    video=arguments.most_video * 1_000_000)  # fmt: skip
    models = models_of(arguments.model)
    trainings = Trainings(limits, arguments.faces, models, arguments.steps)
    app = build_app(models, limits, trainings, secret)
    settings: dict[str, Any] = {"log_level": "error", "ws_max_size": LONGEST_PUSH}
    settings["timeout_graceful_shutdown"] = LAST_SECONDS
    with listening(arguments.host, arguments.port) as place:
        address = f"[{arguments.host}]" if ":" in arguments.host else arguments.host
        query = f"/?token={quote(secret)}" if secret else ""
        print(f"open http://{address}:{place.getsockname()[1]}{query} in a browser; Ctrl-C ends it", flush=True)
        if hasattr(signal, "SIGHUP"):  # its terminal was closed
            signal.signal(signal.SIGHUP, lambda *_: os.kill(os.getpid(), signal.SIGTERM))
        with contextlib.suppress(KeyboardInterrupt):
            uvicorn.Server(uvicorn.Config(app, **settings)).run(sockets=[place])


def listening(host: Any, port: Any) -> Any:
    """A socket that listens.

    Raises:
        InputError: it cannot.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        return socket.create_server(address, family=family)
    except OSError as error:
        raise InputError(
            f"--host {host} --port {port}: cannot listen there ({error.strerror}); give another one"
        ) from None


if __name__ == "__main__":
    sys.exit(main())
