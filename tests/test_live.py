"""A face that speaks while it is spoken, and the seat of the browser that it speaks with."""

import asyncio
import json

import cv2
import numpy as np
import pytest

from audio2faces.generate.video import Options, stream_faces
from audio2faces.trained.face import load_model
from media.reading import read_speech

from .conftest import SAMPLES

pytest.importorskip("starlette")
from audio2faces.app import live as live_module
from audio2faces.app.live import HEADER, SOUND_HEADER, AnyRate, LiveFace, LiveService, LiveSpeech, unpacked


def live_address(server, rate, model="tiny"):
    return server.address.replace("http", "ws") + f"/live?model={model}&rate={rate}"


def test_live_frames_are_those_of_the_whole(tiny_model_folder):
    model = load_model(tiny_model_folder)
    samples = read_speech(SAMPLES / "speech.wav").astype(np.float32)
    live, made = LiveFace(model), []
    for first in range(0, len(samples), 333):
        number, frames = live.push(samples[first : first + 333])
        assert number == len(made)
        made += list(frames)
    whole = np.concatenate(list(stream_faces(model, SAMPLES / "speech.wav", 25.0, Options())))
    assert len(made) == np.ceil((len(samples) - live.face.look_ahead) / 640)  # all whose sound has been heard
    assert np.abs(np.array(made).astype(int) - whole[: len(made)]).max() <= 1


@pytest.fixture(scope="module")
def live(tiny_model_folder):
    """A face whose head is held still."""
    return LiveFace(load_model(tiny_model_folder), still=True)


def spoken(live, sample_rate, pieces):
    """Numbers and faces of the frames that (number of the first sample, samples) of a new session give."""
    live.reset()
    speech, numbers, faces = LiveSpeech(live, sample_rate), [], []
    for number, samples in pieces:
        first, frames = speech.feed(number, samples)
        numbers += range(first, first + len(frames))
        faces += list(frames.astype(int))
    return numbers, np.array(faces)


def in_pieces(samples, length, lost=range(0)):
    """The samples in pieces with their numbers; those that begin at a lost sample do not come."""
    return [(first, samples[first : first + length]) for first in range(0, len(samples), length) if first not in lost]


@pytest.mark.parametrize("rate", [16000, 48000])
def test_lost_sound_becomes_silence_and_shifts_nothing(live, rate):
    samples, length = read_speech(SAMPLES / "speech.wav", rate), rate // 50
    lost = range(50 * length, 65 * length)
    damaged = samples.copy()
    damaged[lost.start : lost.stop] = 0
    numbers, faces = spoken(live, rate, in_pieces(samples, length, lost))
    expected_numbers, expected = spoken(live, rate, in_pieces(damaged, length))
    assert numbers == expected_numbers == list(range(len(numbers)))
    assert np.abs(faces - expected).max() <= 1
    twice = [piece for piece in in_pieces(samples, length) for _ in range(2)]  # what comes again is passed over
    numbers, faces = spoken(live, rate, twice)
    assert np.abs(faces - spoken(live, rate, in_pieces(samples, length))[1]).max() <= 1


@pytest.mark.parametrize("rate", [16000, 48000])
def test_after_a_long_gap_frames_go_on_in_their_places(live, rate):
    speech, length = read_speech(SAMPLES / "speech.wav", rate), rate // 50
    start = 3000 * length + 7  # a minute later
    later = [(start + first, samples) for first, samples in in_pieces(speech, length)]
    numbers, faces = spoken(live, rate, in_pieces(speech, length) + later)
    jump = int(np.flatnonzero(np.diff(numbers) > 1)[0]) + 1
    assert numbers[jump] == 1501 and numbers[jump:] == list(range(1501, 1501 + len(numbers) - jump))
    shifted = np.concatenate([np.zeros(7 + 50 * length), speech]).astype(np.float32)  # as after a second of silence
    expected_numbers, expected = spoken(live, rate, in_pieces(shifted, length))
    assert expected_numbers == list(range(len(expected)))
    assert np.abs(faces[jump:] - expected[26 : 26 + len(faces) - jump]).mean() < 1


def test_sound_that_is_none_does_not_spoil_the_face(live):
    samples = read_speech(SAMPLES / "speech.wav", 48000)
    broken = samples.copy()
    broken[50000], broken[60000:60010] = np.nan, np.inf
    _, faces = spoken(live, 48000, in_pieces(broken, 960))
    assert np.abs(faces - spoken(live, 48000, in_pieces(samples, 960))[1]).mean() < 1


def test_what_is_not_audio_is_refused():
    sound = np.float32([0.5, -0.5]).tobytes()
    number, samples = unpacked(SOUND_HEADER.pack(320) + sound, 16000)
    assert number == 320 and samples.tolist() == [0.5, -0.5]
    for content in (
        b"", sound[:3], SOUND_HEADER.pack(0), SOUND_HEADER.pack(0) + sound[:3], SOUND_HEADER.pack(0) + bytes(300_000),
        *(SOUND_HEADER.pack(number) + sound for number in (np.nan, np.inf, -1, 1e18)),
    ):  # fmt: skip
        assert unpacked(content, 16000) is None


def test_a_microphone_moves_the_face(server):
    from websockets.asyncio.client import connect
    from websockets.exceptions import ConnectionClosed

    samples = read_speech(SAMPLES / "speech.wav").astype("<f4")

    async def speak(url):
        frames = []
        async with connect(url) as live:
            about = json.loads(await live.recv())
            async with connect(url) as second:
                assert "already" in json.loads(await second.recv())["error"]
            for first in range(0, len(samples), 320):
                await live.send(SOUND_HEADER.pack(first) + samples[first : first + 320].tobytes())
            for _ in range(int(np.ceil((len(samples) - about["look_ahead"] * 16000) / 640))):
                frames.append(await live.recv())
            await live.send(b"odd")  # no float32
            assert json.loads(await live.recv()) == {"error": "the message is not audio samples"}
            with pytest.raises(ConnectionClosed):
                await live.recv()
        return about, frames

    async def leave(url):
        async with connect(url):
            pass

    url = live_address(server, 16000)
    asyncio.run(leave(url))  # while the model is loading
    for _ in range(2):  # and once more, with the same worker
        about, frames = asyncio.run(speak(url))
        assert about["frame_rate"] == 25 and about["size"] == 16
        assert [HEADER.unpack_from(frame)[0] for frame in frames] == list(range(len(frames)))
        picture = cv2.imdecode(np.frombuffer(frames[40][HEADER.size :], np.uint8), cv2.IMREAD_COLOR)
        assert picture.shape == (16, 16, 3)


def test_sound_of_any_rate_is_resampled_to_the_models():
    speech = read_speech(SAMPLES / "speech.wav", 48000)
    heard = AnyRate(48000, 16000)
    parts = [heard(speech[first : first + 960]) for first in range(0, len(speech), 960)]
    made, wanted = np.concatenate(parts), read_speech(SAMPLES / "speech.wav")
    assert 0 <= len(wanted) - len(made) < 20  # a millisecond waits for what comes
    wanted = wanted[: len(made)]
    assert np.sqrt(np.mean((made - wanted) ** 2)) < 0.02 * np.sqrt(np.mean(wanted**2))
    assert AnyRate(16000, 16000)(wanted) is wanted


@pytest.mark.parametrize(
    ("query", "headers"),
    [("model=tiny&rate=16000", {"Origin": "http://evil.example"}), ("model=tiny&rate=16000", {"Host": "evil.example"}),
     ("model=tiny&rate=7", {}), ("model=x&rate=16000", {}), ("model=tiny", {})],
)  # fmt: skip
def test_strangers_and_strange_requests_get_no_seat(server, query, headers):
    from websockets.exceptions import InvalidStatus
    from websockets.sync.client import connect

    address = server.address.replace("http", "ws") + f"/live?{query}"
    if headers:
        with pytest.raises(InvalidStatus, match=r"40[03]"):
            connect(address, additional_headers=headers)
    else:
        with connect(address) as socket:
            assert json.loads(socket.recv())["error"] == "no such model or sample rate"


class Browser:
    """A socket as the seat sees it."""

    def __init__(self, *messages):
        self.query_params = {"model": "tiny", "rate": "16000"}
        self.messages, self.said = list(messages), []

    async def receive(self):
        while not self.said:  # that the model is there
            await asyncio.sleep(0)
        if not self.messages:
            await asyncio.Event().wait()  # for ever
        return self.messages.pop(0)

    async def send_json(self, content):
        self.said.append(content)

    async def accept(self):
        pass

    send_bytes = close = accept


class Pipe:
    """A worker that answers the first question, and then never."""

    def __init__(self):
        self.asked = []

    def send(self, what):
        self.asked.append(what)

    def poll(self, seconds):
        return len(self.asked) == 1

    def recv(self):
        return {}


@pytest.mark.parametrize(
    ("messages", "why"),
    [((), "Nothing came from the microphone"),
     (({"type": "websocket.receive", "bytes": bytes(16)},), "does not answer"),
     (({"type": "websocket.disconnect"},), None)],
)  # fmt: skip
def test_the_seat_is_free_again_whoever_falls_silent(tmp_path, monkeypatch, messages, why):
    monkeypatch.setattr(live_module, "LONGEST_SILENCE", 0.01)
    seat, ended = LiveService({"tiny": tmp_path}, tmp_path), []
    monkeypatch.setattr(seat._worker, "started", Pipe)
    monkeypatch.setattr(seat._worker, "end", lambda: ended.append(True))
    for _ in range(2):
        browser = Browser(*messages)
        asyncio.run(seat.serve(browser))
        assert browser.said[0] == {} and (why is None or why in browser.said[1]["error"])
    assert bool(ended) == (why == "does not answer")  # then the next one gets a new process
