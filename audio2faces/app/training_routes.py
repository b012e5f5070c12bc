"""What the page's server answers about faces that are learned: uploads, states, pictures, start, stop and deletion."""

import asyncio
import datetime
from typing import Any

from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from audio2faces.app.trainings import PICTURES, Training, Trainings
from preprocessing.dataset import SIZES
from runtime.errors import InputError

LONGEST_NAME = 80  # characters of a file's name
UPLOAD_SECONDS = 1800
CONSENTED = "yes"


class NotHereError(Exception):
    """What was requested does not exist, or not any more; the text is shown to the user."""


def printable(text: str) -> str:
    """The end of a name that somebody gave a file, without what cannot be shown."""
    return "".join(letter for letter in text[-LONGEST_NAME:] if letter.isprintable())


class TrainingHandlers:
    """An answer to each route of /api/faces.

    Args:
        trainings: the faces.
    """

    def __init__(self, trainings: Trainings) -> None:
        self.trainings = trainings

    def routes(self) -> list[Route]:
        """For the application."""
        return [
            Route("/api/faces", self.list),
            Route("/api/faces", self.upload, methods=["POST"]),
            Route("/api/faces/{name}", self.delete, methods=["DELETE"]),
            Route("/api/faces/{name}/start", self.start, methods=["POST"]),
            Route("/api/faces/{name}/stop", self.stop, methods=["POST"]),
            Route("/api/faces/{name}/pictures/{picture}", self.picture),
        ]

    async def list(self, request: Any) -> Any:
        """All faces."""
        return JSONResponse({"faces": [self._described(face) for face in self.trainings.faces.values()]})

    async def upload(self, request: Any) -> Any:
        """Stores the video of a face, with ?name, ?file, ?size and ?consent=yes."""
        given = request.query_params
        if given.get("consent") != CONSENTED:
            raise InputError("without the consent of the person in the video nothing is learned from it")
        if given.get("size") not in map(str, SIZES):
            raise InputError(f"choose a size from {', '.join(map(str, SIZES))}")
        licence = f"consent of the speaker, confirmed on the page on {datetime.date.today()}"
        name, file = given.get("name", ""), printable(given.get("file", "")) or "video"
        async with asyncio.timeout(UPLOAD_SECONDS):
            face = await self.trainings.receive(request.stream(), name, file, int(given["size"]), licence)
        return JSONResponse(self._described(face))

    async def start(self, request: Any) -> Any:
        """Trains, or goes on with what was stopped or failed."""
        face = self._face(request)
        self.trainings.start(face)
        return JSONResponse(self._described(face))

    async def stop(self, request: Any) -> Any:
        """Stops what is being done."""
        face = self._face(request)
        await self.trainings.stop(face)
        return JSONResponse(self._described(face))

    async def delete(self, request: Any) -> Any:
        """Deletes a face."""
        await self.trainings.delete(self._face(request))
        return JSONResponse({})

    async def picture(self, request: Any) -> Any:
        """The newest picture of a kind."""
        name = request.path_params["picture"]
        path = self._face(request).picture(name) if name in PICTURES else None
        if path is None:
            raise NotHereError("no such picture")
        return FileResponse(path, media_type="image/png")

    def _face(self, request: Any) -> Training:
        name = request.path_params["name"]
        if name not in self.trainings.faces:
            raise NotHereError("This face is not here any more.")
        return self.trainings.faces[name]

    def _described(self, face: Training) -> dict[str, Any]:
        return {
            **face.described(),
            "place": self.trainings.place(face),
            "stopping": self.trainings.stopping(face),
        }
