"""A web server on this computer that serves media, and fails as servers do when it is told to."""

import threading
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import urlsplit


@dataclass(frozen=True)
class Answer:
    """What is sent back; `cut` breaks the connection after so many bytes, unless only a range is asked for."""

    body: bytes = b""
    kind: str = "video/mpeg"
    status: int = 200
    headers: dict = field(default_factory=dict)
    cut: int | None = None


class Handler(BaseHTTPRequestHandler):
    def log_message(self, *arguments):
        pass

    def do_GET(self):
        path = urlsplit(self.path).path
        self.server.requests.append((path, self.headers.get("Range")))
        answers = self.server.answers.get(path, [Answer(status=404)])
        answer = answers.pop(0) if len(answers) > 1 else answers[0]
        status, body, cut, headers = answer.status, answer.body, answer.cut, dict(answer.headers)
        if status == 200 and (wanted := self.headers.get("Range")):
            start = int(wanted.removeprefix("bytes=").split("-")[0])
            headers["Content-Range"] = f"bytes {start}-{len(body) - 1}/{len(body)}"
            status, body, cut = 206, body[start:], None
        self.send_response(status)
        for name, value in {"Content-Type": answer.kind, "Content-Length": len(body), **headers}.items():
            self.send_header(name, str(value))
        self.end_headers()
        self.wfile.write(body[:cut])


class MediaServer(ThreadingHTTPServer):
    """Serves `answers` (path -> answers in turn, the last for ever) and keeps `requests` as (path, range)."""

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.answers, self.requests = {}, []
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()

    def handle_error(self, request, client_address):
        """Keeps quiet of clients that hang up, as they do after the first bytes of what they want to recognise."""

    def serve(self, path, *answers):
        """Has `answers` sent for `path`; returns its address."""
        self.answers[path] = list(answers)
        return f"http://127.0.0.1:{self.server_port}{path}"
