import dataclasses

import numpy as np
import pytest

from audio2faces.training_speech import TrainingSpeech, nonspeech_maps
from media.reading import read_speech
from preprocessing.speech.audio_features import FEATURE_PRESETS, FeatureStatistics
from preprocessing.speech.augmentation import (
    AugmentationSettings,
    add_noise,
    at_speed,
    augment,
    change_response,
    coloured,
    limit_band,
    music,
    noise,
    reverberate,
)
from training.frames import FrameSet

from .conftest import SAMPLES

RATE = 16000
ONLY_BAND = AugmentationSettings(
    gain=(0.0, 0.0), noise_chance=0, reverberation_chance=0, response_chance=0, band_chance=1, speed_chance=0
)


@pytest.fixture(scope="module")
def speech():
    return read_speech(SAMPLES / "speech.wav")


def power(samples):
    return float(np.mean(samples**2))


@pytest.mark.parametrize("factor", [0.85, 1.0, 1.2])
def test_speed_moves_pitch_and_time_alike(factor):
    tone = np.sin(2 * np.pi * 400 * np.arange(RATE) / RATE)
    faster = at_speed(tone, factor)
    assert len(faster) == pytest.approx(RATE / factor, abs=2)
    peak = np.argmax(np.abs(np.fft.rfft(faster))) * RATE / len(faster)
    assert peak == pytest.approx(400 * factor, abs=2)


def test_a_moment_is_found_again_at_its_time_over_the_factor():
    click = np.zeros(RATE)
    click[8000:8003] = 1
    settings = dataclasses.replace(ONLY_BAND, band_chance=0, speed_chance=1)
    changed, factor = augment(click, RATE, settings, np.random.default_rng(0))
    assert factor != 1 and np.argmax(np.abs(changed)) == pytest.approx(8001 / factor, abs=2)


def test_a_telephone_passes_its_band_alone():
    tones = {hertz: np.sin(2 * np.pi * hertz * np.arange(RATE) / RATE) for hertz in (75, 1000, 3300, 3500, 7000)}
    passed = {hertz: power(limit_band(tone, RATE, 300, 3400)) / power(tone) for hertz, tone in tones.items()}
    assert passed[75] < 1e-4 and passed[3500] < 1e-20 and passed[7000] < 1e-20  # 48 dB in two octaves
    assert passed[1000] == pytest.approx(1, abs=1e-3) and passed[3300] == pytest.approx(1, abs=1e-3)
    changed, _ = augment(tones[75], RATE, ONLY_BAND, np.random.default_rng(0))
    assert power(changed) < power(tones[75])


def test_noise_is_so_far_below_the_speech(speech):
    for ratio in (0, 10, 30):
        added = add_noise(speech, RATE, ratio, np.random.default_rng(0)) - speech
        assert 10 * np.log10(power(speech) / power(added)) == pytest.approx(ratio, abs=0.01)
    np.testing.assert_array_equal(add_noise(np.zeros(100), RATE, 0, np.random.default_rng(0)), np.zeros(100))


def test_noise_has_unit_power_whatever_its_kind():
    for seed in range(12):
        assert power(noise(RATE, RATE, np.random.default_rng(seed))) == pytest.approx(1)
    assert np.isfinite(music(10, RATE, np.random.default_rng(0))).all()


def test_the_slope_of_coloured_noise():
    spectrum = np.abs(np.fft.rfft(coloured(1 << 16, 2.0, np.random.default_rng(0)))) ** 2
    octaves = [spectrum[1 << k : 2 << k].mean() for k in range(6, 14)]
    assert np.polyfit(range(8), 10 * np.log10(octaves), 1)[0] == pytest.approx(-6.02, abs=0.3)  # dB an octave


def test_a_room_adds_what_comes_later(speech):
    click = np.zeros(RATE)
    click[1000] = 1
    echo = reverberate(click, RATE, 0.3, np.random.default_rng(0)) - click
    assert len(echo) == RATE and not np.abs(echo[:1001]).max() > 1e-9
    early, late = power(echo[1001:2001]), power(echo[3401:4401])
    assert 10 * np.log10(early / late) == pytest.approx(60 * 2400 / RATE / 0.3, abs=3)


def test_a_microphone_changes_the_spectrum_and_not_the_times(speech):
    changed = change_response(speech, 6.0, np.random.default_rng(0))
    assert len(changed) == len(speech)
    lags = range(-20, 21)
    likeness = [np.dot(np.roll(changed, lag), speech) for lag in lags]
    assert abs(lags[int(np.argmax(likeness))]) <= 1
    np.testing.assert_allclose(
        change_response(speech, 0.0, np.random.default_rng(0))[99:-99], speech[99:-99], atol=1e-3
    )


def test_everything_drawn_comes_from_the_generator(speech):
    one, same, other = (augment(speech, RATE, AugmentationSettings(), np.random.default_rng(s)) for s in (0, 0, 1))
    np.testing.assert_array_equal(one[0], same[0])
    assert one[1] == same[1] != other[1]


def test_sound_without_speech_gives_finite_maps_of_all_kinds():
    maps = nonspeech_maps(FEATURE_PRESETS["wide"], 0, stretches=6)
    assert maps.shape == (4 + 6 * 12, 35, 13) and np.isfinite(maps).all()
    assert np.ptp(maps[4:, :, 0].mean(axis=1)) > 3  # loud and soft


def test_the_augmentation_of_a_frame_is_a_function_of_seed_and_step(tiny_dataset, tiny_config):
    frames = FrameSet(tiny_dataset.split("train"), tiny_config.speech.feature_settings)
    statistics = FeatureStatistics.fit(frames.maps)
    features, versions = tiny_config.speech.feature_settings, tiny_config.versions
    one, other = (TrainingSpeech(frames, features, versions, statistics.standardise) for _ in range(2))
    indices = np.arange(100)
    maps, nonspeech = one(indices, 7)
    again, _ = other(indices, 7)
    np.testing.assert_array_equal(maps, again)
    assert (maps != one(indices, 8)[0]).any()
    same = (maps == one.recorded).all(axis=(1, 2))
    assert 0.3 < same.mean() < 0.65 and 0 < nonspeech.sum() < 20 and not same[nonspeech].any()
