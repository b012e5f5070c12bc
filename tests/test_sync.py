"""Clips whose sound is off their picture: found, and set right."""

import numpy as np
import pytest

import audio2faces.sync as sync
from audio2faces.frames import MotionSet
from audio2faces.regressor_training import offsets_of
from audio2faces.sync import LAGS, estimate_offsets
from preprocessing.audio_features import FEATURE_PRESETS

SIZE = 16


class DrawnClip:
    """A mouth that opens with the loudness of a tone which comes `late` seconds after it."""

    def __init__(self, seed, late, frames=50):
        generator = np.random.default_rng(seed)
        self.name, self.folder = f"clip{seed}", None
        points = generator.uniform(0.02, 1.0, frames // 2 + 4)
        samples = np.arange(frames * 640) / 16000
        loudness = np.interp(samples - late, np.arange(len(points)) * 0.08 - 0.1, points)
        self.times = np.arange(frames) / 25
        opening = np.interp(self.times, np.arange(len(points)) * 0.08 - 0.1, points)
        self.faces = np.full((frames, SIZE, SIZE, 3), 150, np.uint8)
        self.faces[:, 11:, 5:11] -= np.rint(100 * opening).astype(np.uint8)[:, None, None, None]
        self._samples = loudness * np.sin(2 * np.pi * 220 * samples)

    def speech(self, sample_rate):
        return self._samples


@pytest.fixture
def small(monkeypatch):
    for name, value in {"WIDTHS": (16, 16), "CODE_SIZE": 16, "STEPS": 250, "DROPOUT": 0.0, "NOISE": 0.1}.items():
        monkeypatch.setattr(sync, name, value)


def test_late_sound_is_found_and_set_right(small):
    late = np.random.default_rng(0).choice([-0.06, 0.0, 0.0, 0.0, 0.06], size=24)
    clips = [DrawnClip(seed, seconds) for seed, seconds in enumerate(late)]
    offsets = estimate_offsets(clips, FEATURE_PRESETS["wide"], 25.0, rounds=2, seed=0)
    assert set(np.round(offsets * 25, 3)) <= set(LAGS)
    assert np.abs((offsets - offsets.mean()) - (late - late.mean())).mean() < 0.5 * np.abs(late - late.mean()).mean()
    assert np.corrcoef(offsets, late)[0, 1] > 0.8
    right = MotionSet(clips, SimpleConfig(), offsets)
    np.testing.assert_allclose(right.times[3], clips[3].times + offsets[3])


class SimpleConfig:
    motion_size = SIZE
    feature_settings = FEATURE_PRESETS["wide"]


def test_few_clips_and_no_rounds_leave_all_as_it_is():
    clips = [DrawnClip(seed, 0.06) for seed in range(3)]
    for rounds in (0, 2):
        np.testing.assert_array_equal(estimate_offsets(clips, FEATURE_PRESETS["wide"], 25.0, rounds, seed=0), 0)


def test_offsets_are_estimated_once(tmp_path, tiny_config, monkeypatch):
    import audio2faces.regressor_training as module

    clips = [DrawnClip(seed, 0.0) for seed in range(3)]
    asked = []
    monkeypatch.setattr(module, "estimate_offsets", lambda *arguments: asked.append(1) or np.array([0.04, 0, -0.02]))
    for _ in range(2):
        np.testing.assert_allclose(offsets_of(tmp_path, tiny_config, clips, 25.0), [0.04, 0, -0.02])
    assert len(asked) == 1
