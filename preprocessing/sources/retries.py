"""What went wrong with a download: what is final, what may be tried again, and how long to wait before."""

import random
import textwrap
import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any

from runtime.errors import InputError

TRIES = 5
FIRST_WAIT = 1.0  # seconds before the second try; doubled before each further one
LONGEST_WAIT = 600.0  # seconds; a site that asks for more is left for later
LONGEST_REASON = 300  # characters
PASSING_STATUSES = {408, 425, 429}  # and 500 and above: HTTP answers that may be others in a moment
LATER = "check the network and run the same command again later"
REMEDIES = {
    401: "it may be private or need a login; give a public video",
    403: "it may be private or need a login; give a public video",
    404: "check the address; the video may have been removed",
    410: "the video was removed; give another",
    451: "it is blocked where you are; give another",
}
SAVED_BY_HAND = "see in a browser whether it is public; a file that was saved there can be given in its place"


class PermanentError(InputError):
    """A failure that trying again would not mend; `reason` and `remedy` are the parts of its line."""

    def __init__(self, url: str, reason: Any, remedy: str) -> None:
        self.reason, self.remedy = _one_line(reason), remedy
        super().__init__(f"{url}: {self.reason}; {remedy}")


class TransientError(Exception):
    """A failure that may pass: a busy server, a broken connection."""

    def __init__(self, reason: str, retry_after: float | None = None) -> None:
        """`retry_after`: the seconds that the server asks to wait, or None where it does not say."""
        self.reason, self.retry_after = _one_line(reason), retry_after
        super().__init__(self.reason)


def try_again(action: Callable, url: str, tries: int = TRIES, sleep: Callable = time.sleep) -> Any:
    """Calls `action()` until it succeeds, waiting longer and longer after each `TransientError` failure.

    Args:
        action: function of no argument.
        url: what it fetches, for the error line.
        tries: how often it is called at most.
        sleep: function that waits for a number of seconds.

    Returns:
        what `action()` returns.

    Raises:
        PermanentError: `tries` calls failed, the server demands too long a wait, or `action` raised it.
    """
    generator = random.Random()  # jitter: programs that failed together must not come back together
    for count in range(1, tries + 1):
        try:
            return action()
        except TransientError as error:
            if count == tries:
                raise PermanentError(url, f"{error.reason} ({tries} tries)", LATER) from error
            if (wait := error.retry_after or 0) > LONGEST_WAIT:
                minutes = round(wait / 60)
                raise PermanentError(url, f"{error.reason}, asks to wait {minutes} minutes", LATER) from error
            pause = max(FIRST_WAIT * 2 ** (count - 1), error.retry_after or 0)
            sleep(pause * generator.uniform(1, 1.5))  # never less than the server demands


def http_failure(
    url: str, status: int, reason: str, headers: Any, remedy: str = SAVED_BY_HAND
) -> TransientError | PermanentError:
    """The exception for an HTTP answer that is an error: `TransientError` or `PermanentError`, not raised.

    Args:
        url: the requested address.
        status: of the answer, as 404.
        reason: what is said of it in the error line.
        headers: of the answer, a mapping; `Retry-After` is heeded.
        remedy: for statuses that do not suggest one themselves.
    """
    if status in PASSING_STATUSES or status >= 500:
        return TransientError(reason, _seconds(headers.get("Retry-After")))
    return PermanentError(url, reason, REMEDIES.get(status, remedy))


def _one_line(reason: Any) -> str:
    return textwrap.shorten(str(reason), LONGEST_REASON, placeholder=" ...")


def _seconds(retry_after: Any) -> float | None:
    """The wait that a `Retry-After` header demands, given in seconds or as a date; None where it makes no sense."""
    try:
        return max(float(retry_after), 0.0)
    except (TypeError, ValueError):
        pass
    try:
        return max((parsedate_to_datetime(retry_after) - datetime.now(UTC)).total_seconds(), 0.0)
    except (TypeError, ValueError):
        return None
