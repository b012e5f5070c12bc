"""Who is let in to the page's server, and the headers of what it answers."""

import secrets
from typing import Any
from urllib.parse import urlsplit

LOOPBACK = ("127.0.0.1", "localhost", "::1")
COOKIE = "audio2faces"
PAGES = ("/", "/train")  # to which a link may lead
HEADERS = {
    "Content-Security-Policy": "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; "
    "frame-ancestors 'none'; form-action 'none'; base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


class Guard:
    """Lets in requests with the token or, without one, those addressed to this machine by a name of its own.

    The latter keeps out pages of other hosts that had their name point here (DNS rebinding). A request that a browser
    marks as coming from another page is refused, except for following a link to a page of ours.

    Args:
        app: the ASGI application that is guarded.
        token: that a browser must know, or None.
    """

    def __init__(self, app: Any, token: Any) -> None:
        self.app, self.token = app, token

    async def __call__(self, scope: Any, receive: Any, send: Any) -> Any:
        """See ASGI."""
        from starlette.requests import HTTPConnection
        from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse

        if scope["type"] not in ("http", "websocket"):
            return await self.app(scope, receive, send)
        connection = HTTPConnection(scope)
        if problem := self._problem(connection):
            if scope["type"] == "websocket":
                return await send({"type": "websocket.close", "code": 1008})
            page = scope["path"] in PAGES
            answer: Any = PlainTextResponse(problem, 403) if page else JSONResponse({"error": problem}, 403)
            answer.headers.update(HEADERS)
            return await answer(scope, receive, send)
        if self.token and "token" in connection.query_params and scope["path"] in PAGES:
            answer = RedirectResponse(scope["path"], 303, HEADERS)
            answer.set_cookie(COOKIE, self.token, httponly=True, samesite="lax")
            return await answer(scope, receive, send)

        async def send_with_headers(message):
            if message["type"] == "http.response.start":
                ours = [(name.lower().encode(), value.encode()) for name, value in HEADERS.items()]
                message["headers"] = [*message["headers"], *ours]
            await send(message)

        await self.app(scope, receive, send_with_headers)

    def _problem(self, connection: Any) -> Any:
        """Why somebody is not let in, or None."""
        headers = connection.headers
        host = headers.get("host", "")
        if self.token:
            shown = connection.query_params.get("token") or connection.cookies.get(COOKIE) or ""
            if not secrets.compare_digest(shown.encode(), self.token.encode()):
                return "Open the address that the server printed: it holds the token."
        elif _name(host) not in LOOPBACK:
            return "This server answers on 127.0.0.1 and localhost alone."
        origin = headers.get("origin")
        elsewhere = headers.get("sec-fetch-site", "none") not in ("none", "same-origin")
        foreign = origin is not None and origin.partition("://")[2] != host
        if foreign or (elsewhere and connection.scope["path"] not in PAGES):
            return "This request comes from another page."
        return None


def _name(host: Any) -> Any:
    """Of a Host header without its port, or None where it is none."""
    try:
        return urlsplit(f"//{host}").hostname
    except ValueError:
        return None
