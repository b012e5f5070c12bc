import dataclasses
import errno
import gc
import json
import os
import resource
import socket
import sys

import pytest
import pytube
import yt_dlp
from pytube import exceptions as pytube_exceptions
from pytube.monostate import Monostate
from yt_dlp.utils import ExtractorError, GeoRestrictedError, UserNotLive

from preprocessing.sources.download import fetch
from preprocessing.sources.retries import LONGEST_WAIT, PermanentError, TransientError, http_failure, try_again
from runtime.errors import InputError
from runtime.files import sha256

from .conftest import SAMPLES, run_program
from .media_files import frames_of
from .media_server import Answer, MediaServer

CLIP = SAMPLES / "bgbu4p.mpg"
VIDEO = "https://www.youtube.com/watch?v=abc-EFG_123"
WHOLE = Answer(CLIP.read_bytes())
BUSY = Answer(status=503)
CUT = 200_000  # bytes of the clip before a connection breaks


@pytest.fixture(autouse=True)
def loopback_alone(monkeypatch):
    """Ends a test that would ask another computer for anything."""
    look_up = socket.getaddrinfo

    def look_up_loopback(host, *arguments, **options):
        if host != "127.0.0.1":
            pytest.fail(f"a test reached out for {host}")
        return look_up(host, *arguments, **options)

    monkeypatch.setattr(socket, "getaddrinfo", look_up_loopback)
    monkeypatch.setenv("no_proxy", "127.0.0.1")


@pytest.fixture
def server():
    """A server on this computer."""
    with MediaServer() as server:
        yield server
        server.shutdown()


@pytest.fixture
def waits():
    return []


def fetch_quickly(url, folder, waits=None, **options):
    return fetch(url, folder, sleep=(waits if waits is not None else []).append, **options)


def refusal(url, folder, **options):
    """The line with which an address is refused at once."""
    waits = []
    with pytest.raises(InputError) as caught:
        fetch_quickly(url, folder, waits, **options)
    line = str(caught.value)
    assert waits == [] and line.startswith(f"{url}: ") and "; " in line and "\n" not in line
    assert not [name for name in os.listdir(folder) if not name.endswith(".part")]
    return line


# What is final, and how long is waited


def test_waits_grow_and_differ(waits):
    failures = iter([TransientError("busy")] * 4)

    def action():
        if failure := next(failures, None):
            raise failure
        return "done"

    assert try_again(action, "url", sleep=waits.append) == "done"
    assert all(wait <= pause <= 1.5 * wait for wait, pause in zip((1, 2, 4, 8), waits, strict=True))
    assert len({pause / wait for wait, pause in zip((1, 2, 4, 8), waits, strict=True)}) == 4


def test_a_server_that_asks_for_an_hour_is_left_for_later(waits):
    def action():
        raise TransientError("busy", retry_after=3600.0)

    with pytest.raises(PermanentError, match=r"url: busy, asks to wait 60 minutes; .* later"):
        try_again(action, "url", sleep=waits.append)
    assert waits == [] and LONGEST_WAIT < 3600


@pytest.mark.parametrize(
    ("header", "low", "high"),
    [
        ("7", 7, 7),
        ("Wed, 21 Oct 2099 07:28:00 GMT", 1e9, 1e10),
        ("Wed, 21 Oct 2015 07:28:00 GMT", 0, 0),
        ("-3", 0, 0),
    ],
)
def test_retry_after_in_seconds_or_as_a_date(header, low, high):
    assert low <= http_failure("url", 429, "", {"Retry-After": header}).retry_after <= high


def test_answers_that_may_pass_and_answers_that_are_final():
    for status in (408, 425, 429, 500, 502, 503, 504):
        failure = http_failure("url", status, "why", {"Retry-After": "soon"})
        assert isinstance(failure, TransientError) and failure.retry_after is None
    for status in (400, 401, 403, 404, 410, 451):
        assert isinstance(http_failure("url", status, "why", {}), PermanentError)


# yt-dlp, against a server


def test_a_file_is_fetched_once(tmp_path, server, capfd):
    url = server.serve("/talks/clip.mpg", WHOLE)
    steps = []
    fetched = fetch_quickly(url, tmp_path / "new", progress=lambda *step: steps.append(step))
    assert fetched.picture == fetched.sound and fetched.picture.parent == tmp_path / "new"
    assert sha256(fetched.picture) == sha256(CLIP) and fetched.picture.name.startswith("clip-")
    assert (fetched.downloader, fetched.note) == ("yt-dlp", "yt-dlp, as pytube reads YouTube alone")
    assert fetched.title == "clip" and fetched.licence is None
    assert steps[-1] == (CLIP.stat().st_size,) * 2 and [done for done, _ in steps] == sorted(done for done, _ in steps)

    requests = len(server.requests)
    assert fetch_quickly(url, tmp_path / "new") == fetched
    assert len(server.requests) == requests
    assert "".join(capfd.readouterr()) == ""


def test_a_file_that_is_gone_or_damaged_is_fetched_again(tmp_path, server):
    url = server.serve("/clip.mpg", WHOLE)
    fetched = fetch_quickly(url, tmp_path)
    for damage in (lambda path: path.unlink(), lambda path: path.write_bytes(b"half")):
        damage(fetched.picture)
        assert fetch_quickly(url, tmp_path) == fetched
        assert sha256(fetched.picture) == sha256(CLIP)
    requests = len(server.requests)
    fetch_quickly(url, tmp_path, max_height=144)  # another height is another question to the site
    assert len(server.requests) > requests


def test_a_folder_with_signs_that_templates_know(tmp_path, server):
    folder = tmp_path / "100%(id)s $x ~"
    fetched = fetch_quickly(server.serve("/clip.mpg", WHOLE), folder)
    assert fetched.picture.parent == folder and sha256(fetched.picture) == sha256(CLIP)


def test_a_broken_connection_is_resumed(tmp_path, server, waits):
    url = server.serve("/clip.mpg", dataclasses.replace(WHOLE, cut=CUT))
    fetched = fetch_quickly(url, tmp_path, waits)
    assert sha256(fetched.picture) == sha256(CLIP) and len(waits) == 1
    (wanted,) = [wanted for _, wanted in server.requests if wanted]
    assert CUT / 2 < int(wanted.removeprefix("bytes=").removesuffix("-")) <= CUT


def test_an_interrupted_download_leaves_no_file_and_is_resumed(tmp_path, server, waits):
    url = server.serve("/clip.mpg", WHOLE)

    def interrupt(done, total):
        if done > CUT:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_quickly(url, tmp_path, waits, progress=interrupt)
    (left,) = tmp_path.iterdir()
    assert left.suffix == ".part"
    size = left.stat().st_size
    fetched = fetch_quickly(url, tmp_path, waits)
    assert server.requests[-1] == ("/clip.mpg", f"bytes={size}-") and size > CUT / 2
    assert sha256(fetched.picture) == sha256(CLIP) and waits == []


def test_a_busy_server_is_tried_again_when_it_says(tmp_path, server, waits):
    slow_down = Answer(status=429, headers={"Retry-After": "7"})
    url = server.serve("/clip.mpg", slow_down, WHOLE)
    assert sha256(fetch_quickly(url, tmp_path, waits).picture) == sha256(CLIP)
    assert len(waits) == 1 and 7 <= waits[0] <= 10.5


@pytest.mark.parametrize("status", [429, 503])
def test_so_is_one_that_gets_busy_after_the_first_look(tmp_path, server, waits, status):
    url = server.serve("/clip.mpg", WHOLE, Answer(status=status, headers={"Retry-After": "20"}), WHOLE)
    assert sha256(fetch_quickly(url, tmp_path, waits).picture) == sha256(CLIP)
    assert len(waits) == 1 and 20 <= waits[0] <= 30


def test_a_server_that_stays_busy_is_given_up(tmp_path, server, waits):
    url = server.serve("/clip.mpg", BUSY)
    with pytest.raises(InputError, match=r"503.* \(4 tries\); check the network .* later") as caught:
        fetch_quickly(url, tmp_path, waits, tries=4)
    assert len(server.requests) == 4 and len(waits) == 3 and str(caught.value).startswith(f"{url}: ")


def test_nobody_listens(tmp_path, server, waits):
    url = server.serve("/clip.mpg", WHOLE)
    server.shutdown()
    server.server_close()
    with pytest.raises(InputError, match=r"the connection failed .*refused.* \(2 tries\); check the network"):
        fetch_quickly(url, tmp_path, waits, tries=2)
    assert len(waits) == 1


@pytest.mark.parametrize(
    ("status", "remedy"), [(404, "check the address"), (410, "was removed"), (403, "give a public video")]
)
def test_what_is_not_there_is_refused_at_once(tmp_path, server, status, remedy):
    url = server.serve("/clip.mpg", Answer(status=status))
    line = refusal(url, tmp_path)
    assert f"HTTP Error {status}" in line and remedy in line and len(server.requests) == 1


def test_so_is_what_vanishes_after_the_first_look(tmp_path, server):
    url = server.serve("/clip.mpg", WHOLE, Answer(status=404))
    assert "HTTP Error 404" in refusal(url, tmp_path)


def test_a_page_without_media_with_several_and_with_sound_alone(tmp_path, server):
    def page(body):
        return Answer(f"<html><head><title>A page</title></head><body>{body}</body></html>".encode(), "text/html")

    url = server.serve("/words", page("words alone"))
    assert refusal(url, tmp_path).startswith(f"{url}: no video found there; give the address of")
    url = server.serve("/two", page('<video src="/a.mp4"></video><video src="/b.mp4"></video>'))
    assert "a list of 2 videos; give the address of one" in refusal(url, tmp_path)
    url = server.serve("/one", page('<video src="/clip.mpg"></video>'))
    server.serve("/clip.mpg", WHOLE)
    assert sha256(fetch_quickly(url, tmp_path / "one").picture) == sha256(CLIP)


def playlist(ending):
    return Answer(
        b"#EXTM3U\n#EXT-X-VERSION:3\n#EXT-X-TARGETDURATION:3\n#EXTINF:3.0,\npart.ts\n" + ending,
        "application/vnd.apple.mpegurl",
    )


def test_a_live_stream_is_refused_and_a_recorded_one_is_fetched_without_ffmpeg(tmp_path, server, monkeypatch):
    program = tmp_path / "programs" / "ffmpeg"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\necho "$@" >> {tmp_path}/called\necho ffmpeg version 7.1\n')
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(program.parent), prepend=os.pathsep)
    server.serve("/part.ts", WHOLE)
    (tmp_path / "media").mkdir()
    assert "a live stream; give a recording" in refusal(server.serve("/live.m3u8", playlist(b"")), tmp_path / "media")
    fetched = fetch_quickly(server.serve("/done.m3u8", playlist(b"#EXT-X-ENDLIST\n")), tmp_path / "media")
    assert sha256(fetched.picture) == sha256(CLIP)
    locked = server.serve("/locked.m3u8", playlist(b'#EXT-X-KEY:METHOD=SAMPLE-AES,URI="key"\n#EXT-X-ENDLIST\n'))
    with pytest.raises(InputError, match="ffmpeg could not be found"):
        fetch_quickly(locked, tmp_path / "media")
    calls = (tmp_path / "called").read_text().splitlines() if (tmp_path / "called").exists() else []
    assert set(calls) <= {"-bsfs"}  # it is asked for its version at most


@pytest.mark.filterwarnings("ignore:unclosed file:ResourceWarning")  # yt-dlp leaves open what it was putting together
def test_a_part_of_a_stream_that_fails_is_tried_again_or_named(tmp_path, server, waits):
    url = server.serve("/done.m3u8", playlist(b"#EXT-X-ENDLIST\n"))
    server.serve("/part.ts", Answer(status=503, headers={"Retry-After": "20"}), WHOLE)
    assert sha256(fetch_quickly(url, tmp_path, waits).picture) == sha256(CLIP)
    assert len(waits) == 1 and 20 <= waits[0] <= 30
    server.serve("/part.ts", Answer(status=404))
    with pytest.raises(InputError, match="HTTP Error 404: Not Found; check the address"):
        fetch_quickly(url, tmp_path / "other", waits)
    assert len(waits) == 1
    gc.collect()  # so that the open file is warned of here, not in a later test


@pytest.fixture
def stated(monkeypatch, server):
    """Has yt-dlp find what a test states, at any address; it chooses and fetches by itself."""

    def state(*formats, **fields):
        def extract_info(downloader, url):
            info = {"id": "x", "title": "T", "extractor": "x", "extractor_key": "X", "formats": list(formats), **fields}
            return downloader.process_ie_result(info, download=True)

        monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", extract_info)

    return state


def a_format(server, name, height, picture=True, sound=True, protocol="http"):
    url = server.serve(f"/{name}", Answer(f"{name} ".encode() * 100))
    codecs = {"vcodec": "h264" if picture else "none", "acodec": "aac" if sound else "none"}
    return {"format_id": name, "url": url, "ext": "mp4", "height": height, "protocol": protocol, **codecs}


@pytest.mark.parametrize(
    ("small", "large", "picture", "sound", "chosen"),
    [
        (True, True, True, True, ("picture", "sound")),  # 720 pixels in two files rather than 360 in one
        (False, True, True, True, ("picture", "sound")),  # two files rather than one too large
        (False, True, False, False, ("large", "large")),
        (True, False, False, True, ("small", "small")),
    ],
)
def test_the_choice_of_files(tmp_path, server, stated, small, large, picture, sound, chosen):
    offers = {
        "small": (small, a_format(server, "small", 360)),
        "large": (large, a_format(server, "large", 1080)),
        "largest": (large, a_format(server, "largest", 2160)),
        "picture": (picture, a_format(server, "picture", 720, sound=False)),
        "picture-large": (picture, a_format(server, "picture-large", 1080, sound=False)),
        "sound": (sound, a_format(server, "sound", None, picture=False)),
    }
    uploader = "She herself" if large else None
    there = [offer for offered, offer in offers.values() if offered]
    stated(*there, license="CC BY", uploader=uploader, channel="Her channel")
    url = "https://example.org/watch?id=5"
    fetched = fetch_quickly(url, tmp_path)
    assert tuple(path.read_text().split()[0] for path in (fetched.picture, fetched.sound)) == chosen
    assert (fetched.title, fetched.licence, fetched.uploader) == ("T", "CC BY", uploader or "Her channel")
    assert len(os.listdir(tmp_path)) == 1 + len(set(chosen))  # and the record
    requests = len(server.requests)
    assert fetch_quickly(url, tmp_path) == fetched and len(server.requests) == requests


def test_a_picture_without_sound_is_refused(tmp_path, server, stated):
    stated(a_format(server, "sound", None, picture=False))
    assert "Requested format is not available" in refusal("https://example.org/x", tmp_path)
    stated(a_format(server, "later", 360), live_status="is_upcoming")
    assert "a live stream" in refusal("https://example.org/y", tmp_path)


@pytest.mark.parametrize(
    ("error", "line"),
    [
        (GeoRestrictedError("Not in your country"), "Not in your country; give a video that is available where you"),
        (UserNotLive(), "The channel is not currently live; give a recording"),
        (ExtractorError("Private video. Sign in", expected=True), "Private video. Sign in.*; see in a browser"),
        (
            ExtractorError("Unable to extract player"),
            "cannot read the page .Unable to extract player.; update",
        ),
        (
            TypeError("no such thing"),
            "cannot read the page .no such thing.; update it: pip install yt-dlp --u",
        ),
    ],
)
def test_what_yt_dlp_says_of_a_page(tmp_path, server, monkeypatch, error, line):
    def fail(extractor, url):
        raise error

    monkeypatch.setattr(yt_dlp.extractor.generic.GenericIE, "_real_extract", fail)
    with pytest.raises(InputError, match=line):
        fetch_quickly("http://127.0.0.1/page", tmp_path)


def test_a_full_disk_is_not_blamed_on_the_network(tmp_path, server, waits):
    url = server.serve("/clip.mpg", WHOLE)
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (CUT, limits[1]))  # writes beyond this fail, as they do on a full disk
    try:
        with pytest.raises(OSError, match="File too large") as caught:
            fetch_quickly(url, tmp_path, waits)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert caught.value.errno == errno.EFBIG and caught.value.filename == str(tmp_path) and waits == []
    assert [path.suffix for path in tmp_path.iterdir()] == [".part"]


# pytube, whose streams are real and whose pages are not


@pytest.fixture
def youtube(monkeypatch, server):
    """Has pytube find the streams of `offer`, by itag, or fail with the errors in `failures` first."""

    class StandIn:
        offer, failures, asked, timeout = (), (), 0, None
        title, author = "A talk", "A speaker"

        def __init__(self, url, on_progress_callback=None):
            assert url == VIDEO
            self.monostate = Monostate(on_progress=on_progress_callback, on_complete=None)

        @property
        def streams(self):
            StandIn.asked, StandIn.timeout = StandIn.asked + 1, socket.getdefaulttimeout()
            if StandIn.asked <= len(self.failures):
                raise self.failures[StandIn.asked - 1]
            return pytube.StreamQuery([pytube.Stream(stream, self.monostate) for stream in self.offer])

    monkeypatch.setattr(pytube, "YouTube", StandIn)
    return StandIn


def stream(server, itag, mime_type, codecs):
    body = CLIP.read_bytes() + str(itag).encode()
    return {
        "url": server.serve(f"/{itag}", Answer(body)) + "?",  # pytube adds the range that it wants
        "itag": itag,
        "mimeType": f'{mime_type}; codecs="{codecs}"',
        "is_otf": False,
        "bitrate": 1000,
        "contentLength": len(body),
    }


def both(server, itag):
    return stream(server, itag, "video/mp4", "avc1, mp4a")


def test_pytube_fetches_one_file_once(tmp_path, server, youtube):
    youtube.offer = [both(server, 18), both(server, 22), stream(server, 137, "video/mp4", "avc1")]
    steps = []
    fetched = fetch_quickly(VIDEO, tmp_path, progress=lambda *step: steps.append(step))
    assert fetched.picture == fetched.sound and fetched.picture.read_bytes() == CLIP.read_bytes() + b"22"
    assert (fetched.downloader, fetched.note) == ("pytube", "pytube, the first choice for YouTube")
    assert (fetched.title, fetched.uploader, fetched.licence) == ("A talk", "A speaker", None)
    assert youtube.timeout == 30 and socket.getdefaulttimeout() is None
    assert steps[-1] == (CLIP.stat().st_size + 2,) * 2 and len(frames_of(fetched.picture)) == 75
    requests = len(server.requests)
    assert fetch_quickly(VIDEO, tmp_path) == fetched and len(server.requests) == requests


def test_pytube_fetches_two_files_where_one_is_too_large(tmp_path, server, youtube):
    youtube.offer = [
        both(server, 22),
        *(stream(server, itag, "video/mp4", "avc1") for itag in (137, 135, 134)),
        *(stream(server, itag, "audio/mp4", "mp4a") for itag in (140, 139)),
    ]
    fetched = fetch_quickly(VIDEO, tmp_path, downloader="pytube", max_height=480)
    assert (fetched.picture.name[-8:], fetched.sound.name[-8:]) == (".135.mp4", ".140.mp4")
    assert fetched.note == "pytube, as requested"
    youtube.offer.append(both(server, 18))  # of 360 pixels, which is less than 480
    assert ".135." in fetch_quickly(VIDEO, tmp_path / "small", downloader="pytube", max_height=480).picture.name
    youtube.offer = youtube.offer[:1]
    assert ".22." in fetch_quickly(VIDEO, tmp_path / "large", max_height=480).picture.name


FINAL = [
    (pytube_exceptions.VideoPrivate("x"), "x is a private video; give a public video"),
    (pytube_exceptions.MembersOnly("x"), "x is a members-only video; give a public video"),
    (pytube_exceptions.AgeRestrictedError("x"), "x is age restricted, .*; give a video without an age limit"),
    (pytube_exceptions.LiveStreamError("x"), "x is streaming live and .*; give a recording"),
    (pytube_exceptions.RecordingUnavailable("x"), "x does not have a live .* recording available; wait until"),
    (pytube_exceptions.VideoRegionBlocked("x"), "x is not available in your region; give a video that is"),
    (pytube_exceptions.VideoUnavailable("x"), "x is unavailable; see in a browser"),
    (
        pytube_exceptions.RegexMatchError("find", "a.*b"),
        "RegexMatchError find: could .*; pytube no longer",
    ),
    (pytube_exceptions.HTMLParseError("what?"), "HTMLParseError what.; pytube no longer understands"),
    (KeyError("streamingData"), "KeyError 'streamingData'; pytube no longer understands"),
]


@pytest.mark.parametrize(("error", "line"), FINAL)
def test_what_pytube_finds_final(tmp_path, youtube, error, line):
    youtube.failures = [error] * 9
    (tmp_path / "media").mkdir()
    with pytest.raises(InputError, match=line):
        fetch_quickly(VIDEO, tmp_path / "media", downloader="pytube")
    assert youtube.asked == 1 and os.listdir(tmp_path / "media") == []


@pytest.mark.parametrize(
    "error", [pytube_exceptions.MaxRetriesExceeded(), ConnectionResetError("reset"), TimeoutError("timed out")]
)
def test_what_pytube_may_get_past(tmp_path, server, youtube, waits, error):
    youtube.offer, youtube.failures = [both(server, 18)], [error] * 2
    assert fetch_quickly(VIDEO, tmp_path, waits, tries=3).downloader == "pytube"
    assert youtube.asked == 3 and len(waits) == 2


def test_pytube_heeds_what_a_busy_server_says(tmp_path, server, youtube, waits):
    youtube.offer = [both(server, 18)]
    server.answers["/18"].insert(0, Answer(status=429, headers={"Retry-After": "30"}))
    assert fetch_quickly(VIDEO, tmp_path, waits).picture.read_bytes().endswith(b"18")
    assert len(waits) == 1 and 30 <= waits[0] <= 45


def test_pytube_leaves_no_half_file(tmp_path, server, youtube):
    youtube.offer = [both(server, 18)]

    def interrupt(done, total):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fetch_quickly(VIDEO, tmp_path, progress=interrupt)
    assert os.listdir(tmp_path) == []


def test_a_full_disk_under_pytube_is_not_tried_again(tmp_path, youtube, waits):
    youtube.failures = [OSError(errno.ENOSPC, "No space left on device")]
    with pytest.raises(OSError, match="No space left"):
        fetch_quickly(VIDEO, tmp_path, waits)
    assert waits == [] and youtube.asked == 1


# Which of the two


@pytest.fixture
def redirected(monkeypatch, server):
    """Has yt-dlp look at an address of the server in place of the one it is given."""
    original = yt_dlp.YoutubeDL.extract_info

    def redirect(url):
        monkeypatch.setattr(yt_dlp.YoutubeDL, "extract_info", lambda downloader, _: original(downloader, url))

    return redirect


@pytest.mark.parametrize(("error", "line"), FINAL)
def test_where_pytube_fails_yt_dlp_is_used_and_the_note_says_why(tmp_path, server, youtube, redirected, error, line):
    youtube.failures = [error]
    redirected(server.serve("/clip.mpg", WHOLE))
    fetched = fetch_quickly(VIDEO, tmp_path)
    assert fetched.downloader == "yt-dlp" and sha256(fetched.picture) == sha256(CLIP)
    assert fetched.note.startswith("yt-dlp, as pytube failed: ") and str(error) in fetched.note
    (record,) = tmp_path.glob("*.json")
    written = json.loads(record.read_text())
    assert (written["url"], written["note"], written["picture"]) == (VIDEO, fetched.note, fetched.picture.name)


def test_where_both_fail_both_reasons_are_given(tmp_path, server, youtube, redirected):
    youtube.failures = [pytube_exceptions.VideoPrivate("x")]
    redirected(server.serve("/clip.mpg", Answer(status=404)))
    line = refusal(VIDEO, tmp_path)
    assert "HTTP Error 404" in line and "pytube says: x is a private video; check the address" in line
    youtube.failures = [pytube_exceptions.RegexMatchError("find", "a" * 1000)] * 2
    assert "pytube says: RegexMatchError" in refusal(VIDEO, tmp_path)


def test_the_caller_s_own_troubles_are_not_the_download_s(tmp_path, server):
    """An error that is being dealt with when a download fails is no cause of that failure."""
    url = server.serve("/clip.mpg", Answer(status=404))
    try:
        raise OSError(errno.ENOSPC, "No space left on device")
    except OSError:
        assert "HTTP Error 404" in refusal(url, tmp_path)


def test_choices_that_cannot_be(tmp_path, monkeypatch):
    with pytest.raises(InputError, match="curl: no downloader; choose one of auto, pytube, yt-dlp"):
        fetch(VIDEO, tmp_path, downloader="curl")
    with pytest.raises(InputError, match="pytube reads no other; use --downloader yt-dlp"):
        fetch("https://example.org/x.mp4", tmp_path, downloader="pytube")
    with pytest.raises(InputError, match="talk: no address of a video"):
        fetch("talk", tmp_path)
    for library in ("pytube", "yt_dlp"):
        monkeypatch.setitem(sys.modules, library, None)  # importing it fails, as where it is not installed
    with pytest.raises(InputError, match="pytube is not installed; pip install pytube==15"):
        fetch(VIDEO, tmp_path, downloader="pytube")
    with pytest.raises(InputError, match=r"yt-dlp is not installed; pytube says: .*; pip install yt-dlp"):
        fetch(VIDEO, tmp_path)


def test_the_libraries_are_not_imported_before_they_are_needed():
    done = run_program(
        "-c", "import sys, preprocessing.sources.download; print({'pytube', 'yt_dlp', 'tensorflow'} & set(sys.modules))"
    )
    assert done.stdout.strip() == "set()", done.stderr
