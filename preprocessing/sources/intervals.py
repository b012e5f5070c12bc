"""Intervals of a video: how people write them, whether they overlap; and what sources and clips are called."""

import hashlib
import re
from collections.abc import Iterable

from runtime.errors import InputError

TIME = re.compile(r"(?:(?:([0-9]{1,3}):)?([0-9]{1,3}):)?([0-9]{1,6}(?:\.[0-9]+)?)")  # [[hours:]minutes:]seconds
LONGEST_NAME = 200  # bytes; file systems take 255, times and suffixes included
CLIP_TIMES = re.compile(r"_[0-9]{5,}(\.[0-9]{2})?-[0-9]{5,}(\.[0-9]{2})?")  # as `clip_name` adds them
BETWEEN_TIMES = re.compile("[-\u2013\u2014]|\\bto\\b")  # spreadsheets make long dashes of typed ones
BETWEEN_INTERVALS = re.compile("[;,]")


def parse_intervals(text: str) -> tuple:
    """Reads `1:08-42:26`, `0:01:08 to 0:42:26` or `68-2546`, decimals allowed, several separated by `;` or `,`.

    Args:
        text: what stands in the list; empty for the whole video.

    Returns:
        tuple of (start, end) in seconds, to the hundredth, in the order given; () for the whole video.

    Raises:
        InputError: an interval cannot be read, or ends before it starts.
    """
    return tuple(_parse_interval(part.strip()) for part in BETWEEN_INTERVALS.split(text) if part.strip())


def _parse_interval(text: str) -> tuple[float, float]:
    times = BETWEEN_TIMES.split(text)
    if len(times) != 2:
        raise InputError(f"'{text}' is not a valid interval; write start and end as in 1:08-42:26")
    start, end = (_parse_time(time.strip()) for time in times)
    if end <= start:
        raise InputError(f"the interval {text} ends at or before its start; write the earlier time first")
    return start, end


def _parse_time(text: str) -> float:
    match = TIME.fullmatch(text)
    if not match:
        raise InputError(f"'{text}' is not a valid time; write [hours:]minutes:seconds or seconds, as in 1:08 or 68.5")
    hours, minutes, seconds = match.groups()
    if minutes is not None and (int(minutes) >= 60 or float(seconds) >= 60):
        raise InputError(f"the time {text} has 60 or more minutes or seconds; carry them over, as in 1:15:10")
    return round(int(hours or 0) * 3600 + int(minutes or 0) * 60 + float(seconds), 2)


def overlapping(interval: tuple, others: Iterable[tuple]) -> tuple | None:
    """The first of `others` that shares more than an end with `interval`, or None; all are (start, end) in seconds."""
    start, end = interval
    return next((other for other in others if start < other[1] and other[0] < end), None)


def clip_name(source_name: str, start: float, end: float) -> str:
    """The name of the clip of one interval, as `speech_00068-02546` or `speech_00068.50-00120`.

    Names of one source sort in the order of their starts, and differ wherever times differ by a hundredth of a second.

    Args:
        source_name: as in `sources.listing.Source`.
        start: of the interval, in seconds.
        end: of the interval, in seconds.
    """
    return f"{source_name}_{_padded(start)}-{_padded(end)}"


def without_times(name: str) -> str:
    """The name of a clip less the times that `clip_name` added, or the name itself."""
    times = list(CLIP_TIMES.finditer(name))
    return name[: times[-1].start()] if times and times[-1].end() == len(name) else name


def safe_name(name: str) -> str:
    """A name that any file system takes, whatever a file or a list is called: short, UTF-8, not hidden.

    Bytes that are not UTF-8 become %E9 and the like, control characters _, as does a leading dot. What is longer than
    LONGEST_NAME bytes ends in eight digits of the SHA-256 of the whole.
    """
    safe = re.sub("[\ud800-\udfff]", lambda match: f"%{ord(match[0]) & 0xFF:02X}", name)
    safe = re.sub(r"[\x00-\x1f\x7f/\\]|^\.", "_", safe)
    if len(safe.encode()) <= LONGEST_NAME:
        return safe
    digest = hashlib.sha256(safe.encode()).hexdigest()[:8]
    return f"{safe.encode()[: LONGEST_NAME - 9].decode(errors='ignore')}-{digest}"


def _padded(seconds: float) -> str:
    hundredths = round(seconds * 100)
    fraction = f".{hundredths % 100:02d}" if hundredths % 100 else ""
    return f"{hundredths // 100:05d}{fraction}"
