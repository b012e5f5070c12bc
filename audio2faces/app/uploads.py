"""Storing what a browser sends."""

from collections.abc import AsyncIterable, Callable
from pathlib import Path

from runtime.errors import InputError


class FullError(Exception):
    """There is no room for more; the text is shown to the user."""


async def store(
    chunks: AsyncIterable[bytes], path: Path, name: str, most: int, full: Callable[[int], bool] = lambda size: False
) -> None:
    """Writes a file as it comes.

    All of it is read, whatever is wrong: a client that is still sending reads no answer.

    Args:
        chunks: of the file's bytes.
        path: to write to; whoever calls deletes it after an error.
        name: what the user calls the file.
        most: bytes that it may have.
        full: function of the bytes so far; whether there is no room for them.

    Raises:
        FullError: there is no room for it.
        InputError: it is larger than `most`, or empty.
        OSError: it cannot be written.
    """
    size, no_room = 0, full(0)
    with open(path, "wb") as file:
        async for chunk in chunks:
            size += len(chunk)
            no_room = no_room or full(size)
            if size <= most and not no_room:
                file.write(chunk)
    if size > most:
        raise InputError(f"{name}: larger than {most / 1e6:g} MB; cut it")
    if not size:
        raise InputError(f"{name}: the file is empty")
    if no_room:
        raise FullError("Too many files wait here. Please try again in some minutes.")
