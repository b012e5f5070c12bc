"""Fetches a YouTube video with pytube, a library of 2023 that the site may have outgrown."""

import contextlib
import http.client
import socket
import urllib.error
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from preprocessing.sources.retries import SAVED_BY_HAND, PermanentError, TransientError, http_failure
from runtime.errors import REMEDIES, InputError
from runtime.files import atomic_write

TIMEOUT = 30.0  # seconds without an answer
INSTALL = "pip install pytube==15.0.0"
OUTGROWN = "pytube no longer understands this site; use --downloader yt-dlp"


def download(url: str, stem: Path, max_height: int, progress: Callable | None = None) -> dict[str, Any]:
    """Fetches one video; files that are there already are kept.

    Args:
        url: of a YouTube video.
        stem: path of the files, without what tells them apart and without suffix.
        max_height: of the picture in pixels, exceeded only where there is no smaller one.
        progress: function of (bytes_done, bytes_total) of the file that is being fetched, or None.

    Returns:
        the fields of `download.Fetched` but `downloader` and `note`, as a dictionary.

    Raises:
        PermanentError: pytube is missing, or the video cannot be had through it.
        TransientError: the network or the site failed in a way that may pass.
        OSError: a file cannot be written.
    """
    try:
        import pytube
    except ImportError as error:
        raise PermanentError(url, "pytube is not installed", INSTALL) from error

    def report(stream, _chunk, remaining):
        progress(stream.filesize - remaining, stream.filesize)

    try:
        with _timeout():
            video = pytube.YouTube(url, on_progress_callback=report if progress else None)
            picture, sound = choose_streams(video.streams, max_height)
            if picture is None or sound is None:
                raise PermanentError(url, "there is no stream with picture and sound", SAVED_BY_HAND)
            paths = [_save(stream, stem) for stream in (picture, sound)]
            return {
                "picture": paths[0],
                "sound": paths[1],
                "title": _stated(video, "title"),
                "licence": None,  # pytube does not read it
                "uploader": _stated(video, "author"),
            }
    except InputError:
        raise
    except Exception as error:  # a page that changed makes pytube stumble over anything: KeyError, TypeError, ...
        raise _failure(url, error) from error


def choose_streams(streams: Any, max_height: int) -> tuple[Any, Any]:
    """The (picture, sound) streams to take, the same one where it holds both; None for one that does not exist.

    The height of the picture decides; at one height, a stream that holds both goes before two.

    Args:
        streams: a `pytube.StreamQuery`.
        max_height: of the picture in pixels, exceeded only where there is no smaller one.
    """
    both, pictures, sounds = (
        list(streams.filter(**kind)) for kind in ({"progressive": True}, {"only_video": True}, {"only_audio": True})
    )
    choices = [(stream, stream) for stream in both]
    if sounds:
        sound = max(sounds, key=lambda stream: _number(stream.abr))
        choices += [(picture, sound) for picture in pictures]

    def rank(choice):
        height = _number(choice[0].resolution)
        return height <= max_height, -abs(height - max_height)

    return max(choices, key=rank, default=(None, None))


def _number(text: Any) -> int:
    """The number in "720p" or "128kbps", 0 where none is stated."""
    return int("".join(filter(str.isdigit, text or "")) or 0)


def _save(stream: Any, stem: Path) -> Path:
    path = Path(f"{stem}.{stream.itag}.{stream.subtype}")
    if not path.exists():
        with atomic_write(path) as partial:
            stream.download(str(partial.parent), partial.name, skip_existing=False, timeout=TIMEOUT)
    return path


def _stated(video: Any, field: str) -> Any:
    with contextlib.suppress(Exception):
        return getattr(video, field)


@contextlib.contextmanager
def _timeout() -> Iterator[Any]:
    """Lets silent connections fail for a while: most of pytube's requests know no limit of their own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(TIMEOUT)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)


def _failure(url: str, error: Any) -> Any:
    """What an error of pytube means: `PermanentError`, `TransientError`, or a disk error itself."""
    from pytube import exceptions

    remedies = {
        exceptions.VideoPrivate: "give a public video",
        exceptions.MembersOnly: "give a public video",
        exceptions.AgeRestrictedError: "give a video without an age limit",
        exceptions.LiveStreamError: "give a recording, not a live stream",
        exceptions.RecordingUnavailable: "wait until the recording is published",
        exceptions.VideoRegionBlocked: "give a video that is available where you are",
        exceptions.VideoUnavailable: SAVED_BY_HAND,
    }
    if type(error) in remedies:
        return PermanentError(url, error, remedies[type(error)])
    if isinstance(error, urllib.error.HTTPError):
        return http_failure(url, error.code, f"HTTP {error.code} {error.reason}", error.headers, OUTGROWN)
    broken = (urllib.error.URLError, http.client.HTTPException, ConnectionError, TimeoutError)
    if isinstance(error, (*broken, exceptions.MaxRetriesExceeded)):
        return TransientError(
            f"the connection failed ({getattr(error, 'reason', None) or error or type(error).__name__})"
        )
    if isinstance(error, OSError) and error.errno in REMEDIES:
        return error
    return PermanentError(url, f"{type(error).__name__} {error}".strip(), OUTGROWN)
