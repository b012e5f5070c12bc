"""Fetches a video from any site that yt-dlp reads, without the ffmpeg program."""

import contextlib
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from preprocessing.sources.retries import SAVED_BY_HAND, PermanentError, TransientError, http_failure
from runtime.errors import REMEDIES, InputError

TIMEOUT = 30.0  # seconds without an answer
INSTALL = "pip install yt-dlp"
GAVE_UP = "Got error: "  # what yt-dlp says, without the error itself, when its own tries are used up
FIND_ANOTHER = "give the address of a page with a video, or of a video file"


def download(url: str, stem: Path, max_height: int, progress: Callable | None = None) -> dict[str, Any]:
    """Fetches one video; what an interrupted call has left of it is gone on with.

    Args: see `by_pytube.download`; any address will do.

    Returns:
        the fields of `download.Fetched` but `downloader` and `note`, as a dictionary.

    Raises:
        PermanentError: yt-dlp is missing, or the video cannot be had through it.
        TransientError: the network or the site failed in a way that may pass.
        OSError: a file cannot be written.
    """
    try:
        import yt_dlp
    except ImportError as error:
        raise PermanentError(url, "yt-dlp is not installed", INSTALL) from error
    log = _QuietLog()

    def check(info, *, incomplete):
        """Called by yt-dlp on each video that it found, before it fetches one."""
        if (info.get("n_entries") or 1) > 1:
            raise PermanentError(url, f"a list of {info['n_entries']} videos", "give the address of one")
        if not incomplete and (info.get("is_live") or info.get("live_status") == "is_upcoming"):
            raise PermanentError(url, "a live stream", "give a recording")

    def report(status):
        if progress and status["status"] == "downloading":
            progress(status["downloaded_bytes"], status.get("total_bytes") or status.get("total_bytes_estimate"))

    options = _options(stem, max_height) | {"logger": log, "match_filter": check, "progress_hooks": [report]}
    refused_request = None
    outer = sys.exception()  # what the caller is dealing with has nothing to do with errors from here on
    try:
        with contextlib.ExitStack() as answers, yt_dlp.YoutubeDL(options) as downloader:
            urlopen = downloader.urlopen

            def remembering_urlopen(request: Any) -> Any:
                """The downloader's own, which remembers how the last request failed: its errors often do not say."""
                nonlocal refused_request
                refused_request = None
                try:
                    return urlopen(request)
                except yt_dlp.networking.exceptions.HTTPError as error:
                    refused_request = error
                    answers.callback(error.close)
                    raise

            downloader.urlopen = remembering_urlopen
            info = downloader.extract_info(url)
    except InputError:
        raise
    except Exception as error:  # a page that changed makes an extractor stumble over anything
        raise _failure(url, _underlying(error, outer), refused_request, log.warnings, stem) from error
    return _fields(url, info)


class _QuietLog:
    """Takes yt-dlp's lines in place of the terminal, and keeps the warnings."""

    def __init__(self) -> None:
        self.warnings = []

    def debug(self, line: str) -> None:
        """Lets the line go."""

    info = error = debug

    def warning(self, line: str) -> None:
        """Keeps the line."""
        self.warnings.append(line)


def _options(stem: Path, max_height: int) -> dict[str, Any]:
    """Options under which yt-dlp neither prints, nor waits, nor needs another program."""
    return {
        "format": lambda context: choose_formats(context["formats"], max_height),
        "outtmpl": str(stem).replace("%", "%%") + ".%(format_id)s.%(ext)s",
        "restrictfilenames": True,
        "continuedl": True,
        "overwrites": False,
        "updatetime": False,
        "noplaylist": True,
        "socket_timeout": TIMEOUT,
        # Trying again is this project's business, which knows what is worth it and may be given a way to wait.
        **dict.fromkeys(("retries", "extractor_retries", "fragment_retries", "file_access_retries"), 0),
        "skip_unavailable_fragments": False,
        # The folder holds no program, so that ffmpeg is not found where a format would like it.
        "ffmpeg_location": str(Path(stem).parent),
        "fixup": "never",
        "external_downloader": {"default": "native"},
        "hls_prefer_native": True,
        "cachedir": False,
        "quiet": True,
        "noprogress": True,
        "color": "never",
    }


def choose_formats(formats: list[dict[str, Any]], max_height: int) -> list[dict[str, Any]]:
    """The formats to fetch: one with picture and sound, or one of each, side by side; [] where there are none.

    The height of the picture decides; at one height, whole files go before lists of parts, and one file before two.

    Args:
        formats: yt-dlp's dictionaries, from the worst to the best.
        max_height: of the picture in pixels, exceeded only where there is no smaller one.
    """
    # A codec that is not stated is there; a height that is not stated is small enough.
    both = [entry for entry in formats if "none" not in (entry.get("vcodec"), entry.get("acodec"))]
    pictures = [entry for entry in formats if entry.get("vcodec") != "none" and entry.get("acodec") == "none"]
    sounds = [entry for entry in formats if entry.get("vcodec") == "none" and entry.get("acodec") != "none"]
    sound = max(enumerate(sounds), key=lambda numbered: (_is_whole_file(numbered[1]), numbered[0]), default=None)
    choices = [[picture, sound[1]] for picture in pictures if sound] + [[entry] for entry in both]

    def rank(numbered):
        number, choice = numbered
        height = choice[0].get("height") or 0
        nearest = height <= max_height, -abs(height - max_height)
        return *nearest, all(map(_is_whole_file, choice)), -len(choice), number

    return max(enumerate(choices), key=rank, default=(0, []))[1]


def _is_whole_file(entry: dict[str, Any]) -> bool:
    """Whether a format is one file, where others are lists of parts."""
    return entry.get("protocol") in ("http", "https")


def _fields(url: str, info: dict[str, Any]) -> dict[str, Any]:
    entries = info.get("entries")
    info = next(iter(entries), {}) if entries is not None else info
    files = info.get("requested_downloads", [])
    if not files:
        raise PermanentError(url, "no video found there", FIND_ANOTHER)
    return {
        "picture": Path(files[0]["filepath"]),
        "sound": Path(files[-1]["filepath"]),
        "title": info.get("title"),
        "licence": info.get("license"),
        "uploader": info.get("uploader") or info.get("channel"),
    }


def _underlying(error: Any, outer: Any) -> list[Any]:
    """The error and all those that led to it, but for `outer`; yt-dlp wraps the telling one several times."""
    found, waiting = [], [error]
    while waiting:
        error = waiting.pop(0)
        if isinstance(error, BaseException) and error is not outer and error not in found:
            found.append(error)
            _, inner, _ = getattr(error, "exc_info", None) or (None, None, None)
            waiting += [inner, getattr(error, "cause", None), error.__cause__, error.__context__]
    return found


def _failure(url: str, errors: list[Any], refused_request: Any, warnings: list[str], stem: Path) -> Any:
    """What an error of yt-dlp means: `PermanentError`, `TransientError`, or an `OSError` of the disk.

    Args:
        url: the requested address.
        errors: the error and those that led to it.
        refused_request: the answer to the last request, if it was an error.
        warnings: yt-dlp's lines.
        stem: as in `download`.
    """
    from yt_dlp import utils
    from yt_dlp.networking import exceptions

    def first(kind):
        return next((candidate for candidate in errors if isinstance(candidate, kind)), None)

    extraction = first(utils.ExtractorError)
    reason = extraction.orig_msg if extraction else str(errors[0])
    reason = re.sub(r"^ERROR: (\r\[download\] )?", "", reason)
    for candidate in errors:
        if isinstance(candidate, OSError) and candidate.errno in REMEDIES:
            return OSError(candidate.errno, candidate.strerror, str(Path(stem).parent))
    if first(utils.UnsupportedError):
        return PermanentError(url, "no video found there", FIND_ANOTHER)
    if first(utils.GeoRestrictedError):
        return PermanentError(url, reason, "give a video that is available where you are")
    if first(utils.UserNotLive):
        return PermanentError(url, reason, "give a recording, not a live stream")
    gave_up = not first((exceptions.RequestError, utils.ExtractorError)) and reason.startswith(GAVE_UP)
    if answer := first(exceptions.HTTPError) or (refused_request if gave_up else None):
        return http_failure(url, answer.status, reason.removeprefix(GAVE_UP), answer.response.headers)
    if first(exceptions.CertificateVerifyError):
        return PermanentError(url, reason, "check the clock and the certificates of this computer")
    if gave_up or first(exceptions.TransportError):
        return TransientError(f"the connection failed ({reason.removeprefix(GAVE_UP)})")
    if isinstance(errors[0], utils.YoutubeDLError) and (extraction is None or extraction.expected):
        hint = f" ({warnings[-1]})" if warnings else ""
        return PermanentError(url, f"{reason}{hint}", SAVED_BY_HAND)
    return PermanentError(url, f"yt-dlp cannot read the page ({reason})", f"update it: {INSTALL} --upgrade")
