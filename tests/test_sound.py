"""Sound as people have it: samples that are no sound, channels that cancel each other, several tracks, odd files."""

import os
import shutil
import wave

import numpy as np
import pytest

from audio2faces.generate.video import Options, generate_video, stream_faces
from audio2faces.published import DEFAULT_MODEL
from audio2faces.trained.face import load_model
from media.reading import read_frames, read_speech, sound_duration, sound_level, stream_speech, video_info
from media.sound import SILENCE
from media.writing import TalkingVideo, is_synthetic
from preprocessing import recording
from preprocessing.faces.alignment import mouth_slices
from preprocessing.faces.detectors import make_detector
from preprocessing.sources.listing import read_sources
from runtime.errors import InputError

from .conftest import SAMPLES
from .media_files import tone, write_sound, write_tracks, write_video

RATE = 16000


@pytest.fixture(scope="module")
def speech():
    """A second of a sentence, never louder than .5."""
    return 0.5 * read_speech(SAMPLES / "speech.wav")[8000 : 8000 + RATE]


@pytest.mark.parametrize(("first", "values"), [
    (5000, [np.nan]), (5000, [np.nan] * 100), (5000, [np.inf]), (5000, [-np.inf, 1e30]),
    (0, [np.nan] * 50), (15950, [np.inf] * 50), (1020, [np.nan] * 10),
])  # fmt: skip
@pytest.mark.parametrize("codec", ["pcm_f32le", "pcm_f64le"])
def test_invalid_samples_are_replaced_and_noted(tmp_path, speech, first, values, codec):
    broken = speech.copy()
    broken[first : first + len(values)] = values
    write_sound(tmp_path / "broken.wav", broken[None], RATE, "mono", codec)
    damage = []
    heard = read_speech(tmp_path / "broken.wav", damage=damage)
    around = speech[max(first - 1, 0) : first + len(values) + 1]
    assert np.abs(heard[first : first + len(values)]).max() <= np.abs(around[[0, -1]]).max() + 0.05
    np.testing.assert_allclose(
        np.delete(heard, slice(first, first + len(values))),
        np.delete(speech, slice(first, first + len(values))),
        atol=1e-6,
    )
    (line,) = damage
    assert "unusable samples" in line and f" {len(values)}, " in line and f" {first / RATE:.2f} " in line


def test_long_stretches_without_sound_become_silence(tmp_path, speech):
    broken = speech.copy()
    broken[4000:12000] = np.nan
    write_sound(tmp_path / "broken.wav", np.stack([broken, speech]), RATE, "stereo", "pcm_f32le")
    heard = read_speech(tmp_path / "broken.wav")
    np.testing.assert_allclose(heard[4300:11800], speech[4300:11800] / 2, atol=1e-5)
    write_sound(tmp_path / "none.wav", np.full((1, RATE), np.nan), RATE, "mono", "pcm_f32le")
    assert not read_speech(tmp_path / "none.wav").any()


def test_sound_in_other_units_is_scaled(tmp_path, speech):
    write_sound(tmp_path / "integers.wav", 32768 * speech[None], RATE, "mono", "pcm_f32le")
    damage = []
    heard = read_speech(tmp_path / "integers.wav", damage=damage)
    assert np.corrcoef(heard, speech)[0, 1] > 0.999 and 0.05 < np.abs(heard).max() <= 1
    assert "full scale" in damage[0]
    write_sound(tmp_path / "loud.wav", 1.9 * speech[None], RATE, "mono", "pcm_f32le")  # as decoders may overshoot
    np.testing.assert_allclose(read_speech(tmp_path / "loud.wav"), np.clip(1.9 * speech, -1, 1), atol=1e-6)


def test_healthy_channels_are_averaged_as_they_are(tmp_path, speech):
    noise = np.random.default_rng(0).normal(0, 0.1, (2, RATE))
    for name, channels in [("left", [speech, 0 * speech]), ("unlike", noise), ("alike", speech + 0.1 * noise)]:
        channels = np.float32(channels)
        write_sound(tmp_path / f"{name}.wav", channels, RATE, "stereo", "pcm_f32le")
        damage = []
        np.testing.assert_array_equal(read_speech(tmp_path / f"{name}.wav", damage=damage), channels.mean(axis=0))
        assert not damage


@pytest.mark.parametrize("ratio", [-1.0, -0.8])
def test_a_microphone_of_the_opposite_sign_does_not_silence_the_voice(tmp_path, speech, ratio):
    generator = np.random.default_rng(0)
    channels = np.stack([speech, ratio * speech]) + generator.normal(0, 0.002, (2, RATE))
    hum = 0.05 * np.sin(2 * np.pi * 50 * np.arange(RATE) / RATE)  # the same in both
    quiet = generator.normal(0, 0.002, (2, 2 * RATE))  # before the voice
    write_sound(tmp_path / "a.wav", np.concatenate([quiet, channels + hum], axis=1), RATE, "stereo", "pcm_s16le")
    damage = []
    heard = read_speech(tmp_path / "a.wav", damage=damage)
    assert np.corrcoef(heard[2 * RATE :], speech)[0, 1] > 0.99
    assert np.std(heard[2 * RATE :]) > 0.8 * np.std(speech)
    assert len(damage) == 1 and "opposite signs" in damage[0]
    part = np.concatenate(list(stream_speech(tmp_path / "a.wav", start=1.5, duration=1.0)))
    np.testing.assert_array_equal(part, heard[24000:40000])  # mixed in the same way


@pytest.mark.parametrize("speaking", [range(32), [7]])
def test_channels_without_a_layout_are_mixed(tmp_path, speech, speaking):
    channels = np.zeros((32, RATE))
    channels[list(speaking)] = speech
    write_sound(tmp_path / "many.wav", channels, RATE, "32 channels", "pcm_s16le")
    np.testing.assert_allclose(read_speech(tmp_path / "many.wav"), speech, atol=1e-3)


def test_more_channels_than_can_be_converted_are_one_line(tmp_path):
    path = tmp_path / "most.wav"
    with wave.open(str(path), "wb") as file:
        file.setparams((80, 2, RATE, 0, "NONE", ""))
        file.writeframes(bytes(80 * 2 * 100))
    with pytest.raises(InputError, match=r"most\.wav: its sound of 80 channels .* save it as mono or stereo"):
        read_speech(path)


def test_the_default_track_is_used_unless_it_is_silent(tmp_path, speech):
    other = tone(1.0, RATE)
    for name, tracks, default, expected in [
        ("first.mkv", [speech, other], 0, speech),
        ("second.mkv", [other, speech], 1, speech),
        ("silent.mkv", [0 * other, speech], 0, speech),
        ("silence.mkv", [0 * other, 0 * other], 1, 0 * other),
    ]:
        write_tracks(tmp_path / name, [track[None] for track in tracks], RATE, default=default)
        damage = []
        np.testing.assert_allclose(read_speech(tmp_path / name, damage=damage), expected, atol=1e-4)
        assert len(damage) == (name != "first.mkv") and all("audio track 2 of 2" in line for line in damage)


def unknown(path, codec, other):
    """The same file with the name of a codec changed to one that FFmpeg does not know."""
    content = path.read_bytes()
    assert content.count(codec) == 1
    path.write_bytes(content.replace(codec, other))


def test_a_track_that_cannot_be_decoded_gives_way_to_one_that_can(tmp_path, speech):
    write_tracks(tmp_path / "both.mov", [tone(1.0, RATE)[None], speech[None]], RATE)
    write_sound(tmp_path / "alone.mov", speech[None], RATE, "mono", "pcm_s16le")
    content = (tmp_path / "both.mov").read_bytes()
    assert content.count(b"sowt") == 2
    (tmp_path / "both.mov").write_bytes(content.replace(b"sowt", b"apac", 1))
    unknown(tmp_path / "alone.mov", b"sowt", b"apac")
    damage = []
    np.testing.assert_allclose(read_speech(tmp_path / "both.mov", damage=damage), speech, atol=1e-4)
    assert "cannot be decoded" in damage[0] and sound_duration(tmp_path / "both.mov") == pytest.approx(1)
    for ask in (read_speech, sound_duration):
        with pytest.raises(
            InputError, match=r"alone\.mov: its audio track has a codec that cannot be decoded; convert"
        ):
            ask(tmp_path / "alone.mov")


def test_a_picture_that_cannot_be_decoded_is_one_line(tmp_path):
    write_video(tmp_path / "a.mov", [np.zeros((64, 64, 3), np.uint8)] * 5)
    unknown(tmp_path / "a.mov", b"avcC", b"zzzC")
    unknown(tmp_path / "a.mov", b"avc1", b"zzzz")
    for ask in (video_info, lambda path: list(read_frames(path))):
        with pytest.raises(InputError, match=r"a\.mov: its video track has a codec that cannot be decoded"):
            ask(tmp_path / "a.mov")


def test_pipes_and_devices_are_refused_and_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe.wav")
    (tmp_path / "list.csv").write_text("url,interval\npipe.wav,\n")
    for ask in (read_speech, video_info, lambda path: read_sources([path])):
        for path in (tmp_path / "pipe.wav", "/dev/zero"):
            with pytest.raises(InputError, match="a pipe or a device, where a file was expected"):
                ask(path)
    os.mkfifo(tmp_path / "pipe.mp4")
    assert not is_synthetic(tmp_path / "pipe.mp4")
    sources, refused = read_sources([tmp_path / "list.csv", SAMPLES / "bgbu4p.mpg"])
    assert len(sources) == 1 and "a pipe or a device" in refused[0]


def test_names_with_a_colon_are_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for name in ("2024-11-14T22:57:44.wav", "take:1.wav", "file:a.wav"):
        shutil.copy(SAMPLES / "speech.wav", tmp_path / name)
        assert sound_duration(name) == pytest.approx(2.978, abs=1e-3) and len(read_speech(name)) == 47648
    with TalkingVideo("take:2.mp4", 64, 25, "a comment") as video:
        video.write_faces(np.zeros((5, 64, 64, 3), np.uint8))
        video.write_sound(np.zeros(8820, np.float32))
    assert video_info("take:2.mp4").frame_rate == 25 and len(list(read_frames("take:2.mp4"))) == 5


@pytest.fixture(scope="module")
def model():
    return load_model(DEFAULT_MODEL.parent / "grid-s1-64")


def faces_of(model, path):
    """The faces that speak a file, and what was noticed."""
    noticed = []
    faces = np.concatenate(list(stream_faces(model, path, 25.0, Options(still=True), noticed)))
    return faces.astype(float), noticed


def test_damaged_and_quiet_sound_moves_the_face_as_the_clean_one_does(model, tmp_path, speech):
    write_sound(tmp_path / "clean.wav", speech[None], RATE, "mono", "pcm_f32le")
    clean, noticed = faces_of(model, tmp_path / "clean.wav")
    assert not noticed
    motion = np.abs(clean - clean.mean(axis=0)).mean()
    mouth = mouth_slices(64)
    one, many, huge = speech.copy(), speech.copy(), speech.copy()
    one[8000], many[8000:8080], huge[8000:8002] = np.nan, np.inf, [1e30, -1e30]
    click = 1e-3 * speech
    click[:320] = 1  # as of a plug
    for samples, note in [
        (one, "at 0.50 s"), (many, "replaced: 80"), (huge, "replaced: 2"), (1e-2 * speech, "quiet"),
        (1e-3 * speech, "quiet"), (32768 * speech, "full scale"),
    ]:  # fmt: skip
        write_sound(tmp_path / "other.wav", samples[None], RATE, "mono", "pcm_f32le")
        faces, noticed = faces_of(model, tmp_path / "other.wav")
        assert np.abs(faces - clean).mean() < 0.2 * motion
        brightness = [each[:, *mouth].mean(axis=(1, 2, 3)) for each in (faces, clean)]
        assert np.abs(np.subtract(*brightness)).max() < 1  # grey levels: it does not flash
        assert len(noticed) == 1 and note in noticed[0]
    write_sound(tmp_path / "click.wav", click[None], RATE, "mono", "pcm_f32le")
    assert np.abs(faces_of(model, tmp_path / "click.wav")[0] - clean)[10:].mean() < 0.2 * motion


def test_silence_leaves_the_mouth_at_rest_and_is_reported(model, tmp_path):
    almost = 3e-5 * np.sign(np.random.default_rng(0).normal(size=RATE))  # the last bit of 16
    write_sound(tmp_path / "almost.wav", almost[None], RATE, "mono", "pcm_s16le")
    faces, noticed = faces_of(model, tmp_path / "almost.wav")
    assert np.ptp(faces[10:15], axis=0).max() <= 1 and noticed == ["the sound is silent"]
    assert sound_level(tmp_path / "almost.wav") < SILENCE
    _, notes = generate_video(model, tmp_path / "almost.wav", tmp_path / "out.mp4")
    assert notes == [f"{tmp_path}/almost.wav: the sound is silent"]


def test_preparation_repairs_in_the_same_way_and_notes_it(tmp_path, speech):
    broken = 1e-2 * speech
    broken[8000] = np.inf
    write_sound(tmp_path / "a.wav", broken[None], RATE, "mono", "pcm_f32le")
    made = recording.record(SAMPLES / "bgbu4p.mpg", tmp_path / "a.wav", tmp_path, 16, make_detector("mtcnn"))
    heard = read_speech(tmp_path / "speech.wav")
    assert np.corrcoef(heard, speech)[0, 1] > 0.999 and sound_level(tmp_path / "speech.wav") > 0.03
    assert sorted(made.damage.values()) == [1, 1] and any("at 0.50 s" in line for line in made.damage)
