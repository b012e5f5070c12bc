"""Datasets whose speech has the same long-term spectrum in every clip."""

import sys

import numpy as np

from experiments import equalised_speech
from media.reading import read_speech
from preprocessing.dataset import open_dataset
from preprocessing.speech.augmentation import change_response, coloured


def test_what_a_microphone_did_is_undone():
    generator = np.random.default_rng(0)
    speech = 0.1 * coloured(48000, 1, generator)
    levels = equalised_speech.band_levels(speech)
    other = change_response(speech, 6.0, generator)
    assert np.abs(equalised_speech.band_levels(other) - levels).max() > 3
    again = equalised_speech.equalised(other, levels)
    assert len(again) == len(speech)
    assert np.abs(equalised_speech.band_levels(again) - levels)[1:-1].max() < 1.5


def test_datasets_are_copied_with_other_speech(tiny_dataset, tmp_path, monkeypatch):
    arguments = ["equalised_speech", "--data", str(tiny_dataset.folder), "--out", str(tmp_path / "out")]
    monkeypatch.setattr(sys, "argv", arguments)
    assert equalised_speech.main() == 0
    made = open_dataset(tmp_path / "out" / tiny_dataset.folder.resolve().name)
    assert made.fingerprint != tiny_dataset.fingerprint  # what learned from one does not go on with the other
    assert [clip.name for clip in made.clips] == [clip.name for clip in tiny_dataset.clips]
    for clip, original in zip(made.clips, tiny_dataset.clips, strict=True):
        np.testing.assert_array_equal(clip.faces[:], original.faces[:])
        heard, spoken = (np.asarray(read_speech(each.folder / "speech.wav")) for each in (clip, original))
        assert len(heard) == len(spoken) and np.abs(heard - spoken).max() > 1e-3
