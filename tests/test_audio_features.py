import numpy as np
import pytest
from python_speech_features import mfcc

from audio2faces.generate.video import stream_maps
from media.reading import read_speech
from preprocessing.speech.audio_features import (
    FEATURE_PRESETS,
    FeatureSettings,
    FeatureStatistics,
    frame_centres,
    mfcc_maps,
    pre_emphasise,
    speech_maps,
)

from .conftest import SAMPLES

SETTINGS = FeatureSettings()


@pytest.fixture(scope="module")
def speech():
    return read_speech(SAMPLES / "speech.wav")


def test_the_wide_context_is_what_the_design_says():
    assert (SETTINGS.rows, SETTINGS.n_mfcc) == (35, 13)
    assert SETTINGS.frame_length / SETTINGS.sample_rate == 0.025
    assert SETTINGS.span == 34 * 160 + 400 == SETTINGS.left_context + SETTINGS.look_ahead


def test_the_2017_maps_have_their_shapes():
    short, long = FEATURE_PRESETS["2017"], FEATURE_PRESETS["2017-long"]
    assert (short.rows, short.coefficients, short.sample_rate) == (35, 12, 44100)
    assert 0.035 <= short.span / 44100 < 0.036 and 0.065 <= long.span / 44100 < 0.066
    assert speech_maps(np.ones(44100), [0.5], short).shape == (1, 35, 12)
    assert speech_maps(np.ones(44100), [0.5], long).shape == (1, 32, 12)


def test_the_2017_networks_saw_the_short_map_less_a_coefficient():
    speech = read_speech(SAMPLES / "speech.wav", 44100)
    seen, whole = (speech_maps(speech, [1.0], FEATURE_PRESETS[name]) for name in ("2017-networks", "2017"))
    assert seen.shape == (1, 35, 11)
    np.testing.assert_array_equal(seen, whole[:, :, 1:])


@pytest.mark.parametrize("frame_rate", [25, 30, 30000 / 1001])
@pytest.mark.parametrize(
    ("preset", "library"),
    [
        ("wide", {"winfunc": np.hamming}),
        ("wider", {"winfunc": np.hamming}),
        ("2017", {"winlen": 0.002, "winstep": 0.001}),
        ("2017-long", {"winlen": 0.004, "winstep": 0.002}),
    ],
)
def test_maps_equal_the_library_on_each_window(preset, library, frame_rate):
    settings = FEATURE_PRESETS[preset]
    speech = read_speech(SAMPLES / "speech.wav", settings.sample_rate)
    times = np.arange(int(len(speech) / settings.sample_rate * frame_rate)) / frame_rate
    maps = speech_maps(speech, times, settings)
    padded = np.pad(pre_emphasise(speech), settings.span)
    for centre, of_frame in zip(frame_centres(times, settings), maps, strict=True):
        start = centre - settings.left_context + settings.span
        window = padded[start : start + settings.span]
        expected = mfcc(window, settings.sample_rate, nfft=512, preemph=0, **library)[:, settings.dropped :]
        np.testing.assert_allclose(of_frame, expected, atol=1e-6)


def test_a_map_does_not_depend_on_its_neighbours(speech):
    times = np.array([2.9, -0.1, 0.7, 0.70003, 3.2, 1.23, 0.7])  # out of order, twice, at both ends and beyond
    together = speech_maps(speech, times, SETTINGS)
    for time, of_time in zip(times, together, strict=True):
        np.testing.assert_allclose(of_time, speech_maps(speech, [time], SETTINGS)[0], atol=1e-9)


def test_maps_of_no_time_and_maps_outside_the_sound(speech):
    assert speech_maps(speech, [], SETTINGS).shape == (0, 35, 13)
    silence = speech_maps(np.zeros(16000), [0.5], SETTINGS)
    for time in (-10.0, 100.0):
        np.testing.assert_allclose(speech_maps(speech, [time], SETTINGS), silence, atol=1e-9)


def test_a_click_lands_in_the_row_of_its_time():
    samples = np.zeros(16000)
    samples[8000] = 1.0
    energy = speech_maps(samples, [0.5, 0.4], SETTINGS)[:, :, 0]
    assert np.argmax(energy[0] > -20) in (16, 17) and np.argmax(energy[1] > -20) in (26, 27)


def test_pre_emphasis_by_hand():
    np.testing.assert_allclose(pre_emphasise([1.0, 2.0, 4.0], previous=1.0), [0.03, 1.03, 2.06])


@pytest.mark.parametrize("chunk", [100, 1024, 70000])
@pytest.mark.parametrize("frame_rate", [25, 30000 / 1001])
def test_streamed_maps_equal_those_of_the_whole(speech, chunk, frame_rate):
    chunks = (speech[first : first + chunk] for first in range(0, len(speech), chunk))
    streamed = np.concatenate(list(stream_maps(chunks, SETTINGS, frame_rate, 16)))
    whole = speech_maps(speech, np.arange(round(len(speech) / 16000 * frame_rate)) / frame_rate, SETTINGS)
    np.testing.assert_allclose(streamed, whole, atol=1e-9)


def test_streaming_keeps_only_what_it_needs(monkeypatch, speech):
    longest = []
    monkeypatch.setattr(
        "audio2faces.generate.video.mfcc_maps",
        lambda kept, centres, settings: longest.append(len(kept)) or mfcc_maps(kept, centres, settings),
    )
    for _ in stream_maps(np.tile(speech, 10)[:472000].reshape(-1, 800), SETTINGS, 25, 16):
        pass
    assert max(longest) < 16 * 640 + SETTINGS.span + 2 * 800


def test_no_sound_gives_no_frame_and_a_moment_gives_one():
    assert list(stream_maps([], SETTINGS, 25, 16)) == []
    (only,) = stream_maps([np.ones(320, np.float32)], SETTINGS, 25, 16)
    assert only.shape == (1, 35, 13)


def test_standardised_speech_has_no_mean_unit_deviation_and_bounds(speech):
    maps = speech_maps(speech, np.arange(75) / 25, SETTINGS)
    statistics = FeatureStatistics.fit([maps[:30], maps[30:]])
    rows = (maps.reshape(-1, 13) - statistics.mean) / statistics.deviation
    np.testing.assert_allclose(rows.mean(axis=0), 0, atol=1e-9)
    np.testing.assert_allclose(rows.std(axis=0), 1, atol=1e-9)
    silence = statistics.standardise(speech_maps(np.zeros(8000), [0.2], SETTINGS))
    assert silence.dtype == np.float32 and np.abs(silence).max() <= 4.0
    again = FeatureStatistics.from_json(statistics.as_json())
    np.testing.assert_array_equal(again.mean, statistics.mean)
