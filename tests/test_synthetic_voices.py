"""Datasets in which a synthesiser speaks with a real speaker's mouth."""

import sys

import numpy as np
import pytest

from experiments import synthetic_voices
from media.reading import read_speech
from media.writing import write_wav
from preprocessing.dataset import open_dataset
from runtime.errors import InputError


def test_a_sentence_is_aligned_with_a_slower_one():
    features = np.random.default_rng(0).normal(size=(30, 5))
    np.testing.assert_array_equal(synthetic_voices.aligned(features, features), np.arange(30))
    slower = features.repeat(2, axis=0)
    np.testing.assert_allclose(synthetic_voices.aligned(features, slower), 2 * np.arange(30) + 0.5)
    np.testing.assert_allclose(synthetic_voices.aligned(slower, features), np.arange(60) // 2)


def test_silence_lies_around_a_sentence_as_in_the_clip():
    spoken = np.concatenate([np.zeros(4000), np.ones(16000), np.zeros(9000)])
    samples = synthetic_voices.with_silence(spoken, 0.5, 0.25, np.random.default_rng(0))
    loud = np.flatnonzero(samples > 0.4)
    assert (loud[0], len(samples) - loud[-1]) == pytest.approx((8000, 4000), abs=3)
    assert 0 < samples[:7000].std() < 2e-3


def test_each_moment_gets_the_frame_of_the_same_sound(tiny_dataset, tmp_path, monkeypatch, capsys):
    """The synthesiser of this test says what the clip says, at half the speed."""
    clips = tiny_dataset.split("train")
    said = iter(clips)

    def say(voice, text, path):
        assert (voice, text) == ("flite slt", "bin ay zed")
        write_wav(path, np.asarray(read_speech(next(said).folder / "speech.wav")).repeat(2), 16000)

    for clip in clips:
        seconds = len(clip.times) / clip.entry["fps"]
        lines = f"0 0 sil\n0 5000 bin\n5000 9000 a\n9000 {round(seconds * 25000)} z\n"
        (tmp_path / f"{clip.name}.align").write_text(lines)
    monkeypatch.setattr(synthetic_voices, "say", say)
    monkeypatch.setattr(synthetic_voices, "VALIDATION", 2)
    arguments = ["--data", tiny_dataset.folder, "--words", tmp_path, "--out", tmp_path / "voices", "--every", "1"]
    monkeypatch.setattr(sys, "argv", ["synthetic_voices", *map(str, arguments), "--voice", "flite slt"])
    assert synthetic_voices.main() == 0
    voice = open_dataset(tmp_path / "voices" / "flite-slt")
    assert [len(voice.split(name)) for name in ("train", "validation")] == [3, 2]
    for clip in voice.clips:
        (original,) = (other for other in clips if other.name == clip.name)
        assert len(clip.times) > 1.5 * len(original.times) and clip.entry["source"] == original.entry["source"]
        np.testing.assert_array_equal(clip.faces[0], original.faces[0])
        known = {face.tobytes() for face in original.faces[:]}
        assert {face.tobytes() for face in clip.faces[:]} <= known
    assert "wrote" in capsys.readouterr().out
    assert synthetic_voices.main() == 0 and capsys.readouterr().out == ""  # it is there already


def test_a_missing_synthesiser_is_named(monkeypatch, tmp_path):
    monkeypatch.setattr("shutil.which", lambda program: None)
    with pytest.raises(InputError, match="festival: not installed; apt-get install festival"):
        synthetic_voices.say("festival ked_diphone", "bin blue", tmp_path / "said.wav")
