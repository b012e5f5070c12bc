"""What the sources of a dataset are: video files, folders of them, addresses on the web, and lists of all these."""

import csv
import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit

from preprocessing.sources.intervals import overlapping, parse_intervals, safe_name
from runtime.errors import InputError
from runtime.files import check_is_file, read_lines

VIDEO_SUFFIXES = {
    *(".mp4", ".m4v", ".mov", ".qt", ".3gp", ".3g2", ".f4v", ".flv"),
    *(".mkv", ".webm", ".avi", ".divx", ".dv", ".mxf", ".wmv", ".asf", ".ogv", ".ogm"),
    *(".mpg", ".mpeg", ".vob", ".ts", ".mts", ".m2ts", ".m2t"),
}
# Of files that are named where they lie in a folder, but not taken: unfinished downloads, pictures alone, cameras' own.
OTHER_SUFFIXES = {".part", ".crdownload", ".h264", ".h265", ".hevc", ".264", ".265", ".m1v", ".m2v", ".gif", ".y4m"}
OTHER_SUFFIXES |= {".mod", ".tod", ".vro", ".insv", ".lrv", ".rm", ".rmvb", ".swf", ".wtv", ".nut", ".ivf", ".amv"}
MOST_NAMES = 5  # of files and folders that are not taken, in one line
COLUMNS = ("url", "interval", "name")  # of a list; the last two may be left out
OTHER_NAMES = dict.fromkeys(("file", "path", "video"), "url")  # of columns
YOUTUBE_HOSTS = {"youtube.com", "youtu.be", "youtube-nocookie.com"}
YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
LONGEST_OF_ADDRESS = 60  # characters of a name that is made from an address


@dataclass(frozen=True)
class Source:
    """One video: where it is, its name, and the (start, end) in seconds to take, () for the whole video."""

    location: str  # path or http(s) address
    name: str  # unique among the sources; the names of clips that have none of their own begin with it
    intervals: tuple = ()  # in the order of time, without overlap
    names: tuple = ()  # of the clips of the intervals, None for one without a name of its own; () for all None

    @property
    def is_url(self) -> bool:
        """Whether `location` is an address on the web."""
        return is_url(self.location)


@dataclass
class _Draft:
    """A source that is still being gathered: `place` is the line of a list that first named it, or None."""

    location: str
    place: str | None
    name: str | None = None  # as given by a list
    whole: bool = False
    intervals: dict = field(default_factory=dict)  # (start, end) -> (name or None, line of a list)

    @property
    def given_names(self) -> list[str]:
        """The names that its rows give it, each once."""
        names = [self.name, *(name for name, _ in self.intervals.values())]
        return list(dict.fromkeys(filter(None, names)))


def read_sources(arguments: Any) -> tuple:
    """Reads what a command line gives as sources.

    Args:
        arguments: video files, folders whose videos are taken, http(s) addresses, and `.csv` lists with the columns
            `url` (or `file`) and optionally `interval` and `name`; `url` may be a path, relative to the list's folder.

    Returns:
        (sources, refused): `Source`s sorted by name, and one line for each row or interval that was refused, and for
        what was not taken of a folder.

    Raises:
        InputError: an argument does not exist or holds nothing, a list is unreadable as a whole, or two files that
            were given as arguments share a name.
    """
    drafts, refused = {}, []
    for argument in map(str, arguments):
        if is_url(argument):
            _gather(drafts, _Draft(checked_url(argument), None), (), refused)
        elif Path(argument).suffix.lower() == ".csv":
            for place, row in _rows(Path(argument)):
                try:
                    location, intervals, name = _read_row(row, Path(argument).parent)
                    _gather(drafts, _Draft(location, place, name), intervals, refused)
                except InputError as error:
                    refused.append(f"{place}: {error}")
        else:
            for video in _videos(Path(argument), refused):
                _gather(drafts, _Draft(str(video), None), (), refused)
    return _named(drafts, refused), refused


def is_url(text: str) -> bool:
    """Whether `text` is an http or https address."""
    return text.lower().startswith(("http://", "https://"))


def checked_url(url: str) -> str:
    """The address itself.

    Raises:
        InputError: it is none.
    """
    try:
        host = is_url(url) and urlsplit(url).hostname
    except ValueError:
        host = None
    if not host or re.search(r"\s", url):
        raise InputError(f"{url}: no address of a video; give one as in https://example.org/talk.mp4")
    return url


def youtube_id(url: str) -> str | None:
    """The id of the YouTube video at an address, or None where there is none."""
    parts = urlsplit(url)
    host = (parts.hostname or "").lower()
    if not any(host == known or host.endswith(f".{known}") for known in YOUTUBE_HOSTS):
        return None
    *folders, last = parts.path.strip("/").split("/")
    short = host.endswith("youtu.be") or folders[-1:] in (["shorts"], ["live"], ["embed"], ["v"])
    candidate = last if short else parse_qs(parts.query).get("v", [""])[0]
    return candidate if YOUTUBE_ID.fullmatch(candidate) else None


def url_name(url: str) -> str:
    """A short name of [A-Za-z0-9_-] made from an address: a YouTube video's id, or the path's last part and an id."""
    if video := youtube_id(url):
        return video
    parts = urlsplit(url)
    last = next((part for part in reversed(parts.path.split("/")) if part), "")
    words = [re.sub(r"\.[A-Za-z][A-Za-z0-9]{1,4}$", "", unquote(last))]
    query = parse_qs(parts.query)
    words += [query[key][0] for key in ("id", "v", "video", "video_id") if key in query]
    name = re.sub(r"[^A-Za-z0-9_]+", "-", "-".join(words)).strip("-")
    return name[:LONGEST_OF_ADDRESS] or "video"


def _videos(path: Any, refused: list[str]) -> list[Path]:
    """The file itself, or the videos of a folder; what else looks like one there is named in `refused`."""
    if not path.is_dir():
        check_is_file(path)
        return [path]
    entries = sorted(entry for entry in path.iterdir() if not entry.name.startswith("._"))  # macOS's notes on files
    videos = [entry for entry in entries if entry.suffix.lower() in VIDEO_SUFFIXES and entry.is_file()]
    others = [entry.name for entry in entries if entry.suffix.lower() in OTHER_SUFFIXES and entry.is_file()]
    others += [f"{entry.name}{os.sep}" for entry in entries if entry.is_dir() and _holds_videos(entry)]
    line = ""
    if others:
        shown = ", ".join(others[:MOST_NAMES]) + (f" and {len(others) - MOST_NAMES} more" * (len(others) > MOST_NAMES))
        line = f"not taken from this folder: {shown}; give what is to be taken as a source of its own"
    if not videos:
        expected = f"expected {' '.join(sorted(VIDEO_SUFFIXES))}"
        raise InputError(f"{path}: no video in this folder; {line or expected}")
    if line:
        refused.append(f"{path}: {line}")
    return videos


def _holds_videos(folder: Path) -> bool:
    """Whether videos lie in a folder that is neither hidden nor a dataset."""
    if folder.name.startswith(".") or (folder / "manifest.json").exists():
        return False
    try:
        return any(entry.suffix.lower() in VIDEO_SUFFIXES for entry in folder.iterdir())
    except OSError:
        return False


def _rows(path: str | Path) -> Iterator[Any]:
    """Yields ("FILE, line N", {column: text}) for the rows of a list; too many cells stand under None."""
    expected = f"expected {','.join(COLUMNS[:2])} or {','.join(COLUMNS)}"
    header, count = None, 0
    lines = read_lines(path)
    first = next((line for line in lines if line.strip() and not line.startswith("#")), "")
    delimiter = next((mark for mark in ",;\t" if mark in first), ",")  # as spreadsheets write them
    try:
        # Line by line, so that a quote left open spoils its own row alone.
        rows = [next(csv.reader([line], skipinitialspace=True, delimiter=delimiter), []) for line in lines]
    except csv.Error as error:
        raise InputError(f"{path}: cannot be read as a list ({error}); give a CSV file in UTF-8") from error
    for line, row in enumerate(rows, 1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or cells[0].startswith("#"):
            continue
        if header is None:
            header = [OTHER_NAMES.get(cell.lower(), cell.lower()) for cell in cells]
            if "url" not in header or set(header) - set(COLUMNS) or len(set(header)) < len(header):
                raise InputError(f"{path}: the header is {','.join(cells)}; {expected}")
            continue
        count += 1
        yield f"{path}, line {line}", dict(zip(header, cells, strict=False)) | {None: cells[len(header) :]}
    if not count:
        raise InputError(f"{path}: a list without a row; {expected} and below it a row for each video")


def _read_row(row: dict[Any, Any], folder: Path) -> tuple:
    """The (location, intervals, name or None) of a row."""
    if any(row[None]):
        raise InputError("more cells than the header has; put quotes around a cell with a comma in it")
    location, name = row.get("url", ""), row.get("name", "")
    if not location:
        raise InputError("no url; give the address or the path of a video")
    if is_url(location):
        checked_url(location)
    elif "://" in location:
        raise InputError(f"{location}: neither http nor https; download the video and give its path")
    elif not (folder / location).exists():
        raise InputError(f"{folder / location}: no such file; paths are relative to the list's folder")
    else:
        location = str(folder / location)
        check_is_file(location)
    name = safe_name(re.sub(r"[^\w-]+", "_", name).strip("_"))  # people write "take 1"
    return location, parse_intervals(row.get("interval", "")), name or None


def identity(location: str) -> str:
    """What two ways of writing the place of one video have in common."""
    if not is_url(location):
        return str(Path(location).resolve())
    video = youtube_id(location)
    return f"https://youtu.be/{video}" if video else location.split("#")[0]


def _gather(drafts: dict[str, _Draft], new: _Draft, intervals: tuple, refused: list[str]) -> None:
    """Adds `new` with its intervals (() for all of it) to the draft of the same video, where there is one."""
    draft = drafts.setdefault(identity(new.location), new)
    place = new.place or new.location
    if not intervals:
        if draft.intervals:
            refused.append(f"{place}: the whole video overlaps its intervals given before; leave one of them out")
        elif draft.whole and new.name and draft.name and new.name != draft.name:
            refused.append(f"{place}: the whole video is given before as {draft.name}; leave one of them out")
        else:
            draft.whole, draft.name = True, draft.name or new.name
    for interval in intervals:
        written = "-".join(f"{seconds:.8g}" for seconds in interval)
        if draft.whole:
            refused.append(f"{place}: {written} s overlaps the whole video given before; leave one of them out")
        elif other := overlapping(interval, draft.intervals):
            name, _ = draft.intervals[other]
            if other != interval or (new.name and name and new.name != name):
                before = "-".join(f"{seconds:.8g}" for seconds in other) + (f" s ({name})" if name else " s")
                refused.append(f"{place}: {written} s overlaps {before} given before; leave one of them out")
            else:
                draft.intervals[interval] = (name or new.name, place)
        else:
            draft.intervals[interval] = (new.name, place)


def _named(drafts: dict[str, _Draft], refused: list[str]) -> list[Source]:
    """The sources of the drafts, each with a name of its own, and so each interval that was given one.

    Where all rows of a video give one name, it is the name of the source; where they give several, those of its clips.
    """
    taken, nameless = {}, []
    for identity, draft in drafts.items():
        name = draft.given_names[0] if len(draft.given_names) == 1 else None
        if name is None and not is_url(draft.location):
            name = safe_name(Path(draft.location).stem)
        if name is None:
            nameless.append((identity, draft))
        elif name not in taken:
            taken[name] = draft
        elif draft.place is None:
            other = taken[name].location
            raise InputError(f"{draft.location} and {other} have the same name; rename one, clips are named by it")
        else:
            other = taken[name].location
            refused.append(f"{draft.place}: the name {name} is taken by {other}; give another in the column name")
    names = [url_name(draft.location) for _, draft in nameless]
    for name, (identity, draft) in zip(names, nameless, strict=True):
        if name in taken or names.count(name) > 1:
            name = f"{name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        taken[name] = draft
    sources = [_source(name, draft, taken, refused) for name, draft in sorted(taken.items())]
    return [source for source in sources if source is not None]


def _source(name: str, draft: _Draft, taken: dict[str, _Draft], refused: list[str]) -> Any:
    """The source of a draft, without the intervals whose names other sources have; None if no other is left."""
    if len(draft.given_names) < 2:
        return Source(draft.location, name, tuple(sorted(draft.intervals)))
    intervals = []
    for interval, (of_interval, place) in sorted(draft.intervals.items()):
        owner = taken.setdefault(of_interval, draft) if of_interval else draft
        if owner is draft:
            intervals.append((interval, of_interval))
        else:
            refused.append(f"{place}: the name {of_interval} is taken by {owner.location}; give another")
    if not intervals:
        return None
    return Source(draft.location, name, *map(tuple, zip(*intervals, strict=True)))
