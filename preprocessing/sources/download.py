"""Brings a video from the web into a folder, once: with pytube where it can, or else with yt-dlp."""

import hashlib
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path
from typing import Any

from preprocessing.sources import by_pytube, by_yt_dlp
from preprocessing.sources.listing import checked_url, url_name, youtube_id
from preprocessing.sources.retries import TRIES, PermanentError, try_again
from runtime.errors import InputError
from runtime.files import make_folder, read_json, write_json

DOWNLOADERS = ("auto", "pytube", "yt-dlp")
MAX_HEIGHT = 720  # pixels; faces are cropped to far fewer
LIBRARIES = {"pytube": by_pytube.download, "yt-dlp": by_yt_dlp.download}


@dataclass(frozen=True)
class Fetched:
    """A video from the web as files: where they are, who fetched them, and what the site says of it."""

    picture: Path
    sound: Path  # the same file where it holds both
    downloader: str  # "pytube" or "yt-dlp"
    note: str  # which downloader was used, and why
    title: str | None = None
    licence: str | None = None
    uploader: str | None = None


def fetch(
    url: str,
    folder: Any,
    downloader: str = "auto",
    max_height: int = MAX_HEIGHT,
    tries: int = TRIES,
    sleep: Callable = time.sleep,
    progress: Callable | None = None,
) -> Fetched:
    """Fetches the video at an address, or finds it in the folder without asking the network.

    The height of the picture decides; where no file with sound has the best one, there are two files.

    Args:
        url: http(s) address of a video or of a page with one.
        folder: where the files go; made where missing.
        downloader: one of `DOWNLOADERS`; "auto" is pytube for YouTube and then, or for other sites, yt-dlp.
        max_height: of the picture in pixels, exceeded only where there is no smaller one.
        tries: how often each downloader is tried where the failure may pass.
        sleep: function that waits for a number of seconds.
        progress: function of (bytes_done, bytes_total or None) of the file that is being fetched, or None.

    Returns:
        a `Fetched`.

    Raises:
        InputError: the video cannot be had, or the folder cannot be made; what, where and the remedy.
        OSError: a file cannot be written, as on a full disk.
    """
    if downloader not in DOWNLOADERS:
        raise InputError(f"{downloader}: no downloader; choose one of {', '.join(DOWNLOADERS)}")
    stem = _stem(url, make_folder(folder))
    record = Path(f"{stem}.json")
    if (found := _recorded(record, max_height)) is not None:
        return found

    def by(library):
        got = try_again(lambda: LIBRARIES[library](url, stem, max_height, progress), url, tries, sleep)
        return Fetched(**got, downloader=library, note=f"{library}, as requested")

    if downloader == "pytube" and youtube_id(url) is None:
        raise PermanentError(url, "no YouTube video, and pytube reads no other", "use --downloader yt-dlp")
    if downloader != "auto":
        fetched = by(downloader)
    elif youtube_id(url) is None:
        fetched = replace(by("yt-dlp"), note="yt-dlp, as pytube reads YouTube alone")
    else:
        fetched = _fetch_by_either(url, by)
    write_json(record, {"url": url, "max_height": max_height, **_description(fetched)})
    return fetched


def _fetch_by_either(url: str, by: Callable) -> Fetched:
    """Asks pytube and, whatever it says against the video, yt-dlp too: the younger library knows the site better."""
    try:
        return replace(by("pytube"), note="pytube, the first choice for YouTube")
    except PermanentError as error:
        first = error
    try:
        return replace(by("yt-dlp"), note=f"yt-dlp, as pytube failed: {first.reason}")
    except PermanentError as second:
        reasons = f"yt-dlp says: {second.reason}; pytube says: {first.reason}"
        raise InputError(f"{url}: {reasons}; {second.remedy}") from second


def _description(fetched: Fetched) -> dict:
    """What is kept beside the files, so that a later run finds them: names in place of paths, and sizes."""
    files = {"picture": fetched.picture, "sound": fetched.sound}
    sizes = {path.name: path.stat().st_size for path in files.values()}
    return {**asdict(fetched), **{kind: path.name for kind, path in files.items()}, "bytes": sizes}


def recorded(url: str, folder: Path) -> Fetched | None:
    """What `fetch` left in a folder, found without the network; None where it or one of its files is gone."""
    return _recorded(Path(f"{_stem(url, folder)}.json"))


def _stem(url: str, folder: Path) -> Path:
    """Path of the files of an address, without their suffixes."""
    digest = hashlib.sha256(checked_url(url).encode()).hexdigest()[:8]
    return folder.resolve() / f"{url_name(url)}-{digest}"


def _recorded(record: Path, max_height: int | None = None) -> Fetched | None:
    """The `Fetched` that a record tells of; None if there is none, or its files are gone or of another height."""
    if not record.exists():
        return None
    content, folder = read_json(record), record.parent
    sizes = {folder / name: size for name, size in content["bytes"].items()}
    broken = [path for path, size in sizes.items() if not path.is_file() or path.stat().st_size != size]
    for path in broken:
        path.unlink(missing_ok=True)  # or the downloader would take it for finished
    if broken or max_height not in (None, content["max_height"]):
        return None
    stated = {field.name: content[field.name] for field in fields(Fetched)}
    return Fetched(**{**stated, "picture": folder / content["picture"], "sound": folder / content["sound"]})
