"""The public interface, as the README shows it."""

import json

import numpy as np
import pytest

import audio2faces
from audio2faces import InputError, TalkingFace
from audio2faces.config import PRESETS
from media.reading import read_speech

from .conftest import SAMPLES, run_program


@pytest.fixture(scope="module")
def face(tiny_model_folder):
    return TalkingFace.from_preset(tiny_model_folder)


def test_importing_the_package_loads_no_keras():
    done = run_program("-c", "import sys, audio2faces; print({'keras', 'tensorflow'} & set(sys.modules))")
    assert done.stdout.strip() == "set()", done.stderr
    assert dir(audio2faces) == ["InputError", "TalkingFace", "open_dataset", "prepare"]
    with pytest.raises(AttributeError, match="no attribute 'nothing'"):
        audio2faces.nothing  # noqa: B018


def test_a_face_speaks_into_a_file_and_into_an_array(face, tmp_path):
    video = face.generate(SAMPLES / "speech.wav", tmp_path / "talking.mp4", still=True)
    assert video == tmp_path / "talking.mp4" and video.stat().st_size > 1000
    speech = read_speech(SAMPLES / "speech.wav")
    frames = face.frames(speech)
    assert frames.shape == (round(len(speech) / 16000 * 25), 16, 16, 3) and frames.dtype == np.uint8
    assert np.ptp(frames.astype(int), axis=0).max() > 0  # it moves
    twice = face.frames(np.repeat(speech, 2), sample_rate=32000)
    assert twice.shape == frames.shape and np.abs(twice.astype(int) - frames).mean() < 2


def test_a_saved_face_is_the_same(face, tmp_path):
    folder = face.save_to_preset(tmp_path / "mine")
    speech = read_speech(SAMPLES / "speech.wav")[:16000]
    again = TalkingFace.from_preset(folder)
    assert again.name == face.name and again.frame_rate == face.frame_rate
    assert np.abs(again.frames(speech).astype(int) - face.frames(speech)).max() <= 1
    (tmp_path / "letters").mkdir()
    (tmp_path / "letters" / "letter.txt").touch()
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.json").write_text('{"mode": "regressor"}')  # of a run, with its checkpoints
    for place in ("letters", "run"):
        with pytest.raises(InputError, match="holds something else"):
            face.save_to_preset(tmp_path / place)
    assert face.save_to_preset(folder) == folder


def test_samples_that_are_no_sound_are_refused_and_quiet_ones_heard(face):
    speech = read_speech(SAMPLES / "speech.wav")[:16000]
    for samples in (np.zeros(0, np.float32), np.stack([speech, speech]), (speech * 32767).astype(np.int16)):
        with pytest.raises(InputError, match="give one channel of floats"):
            face.frames(samples)
    with pytest.raises(InputError, match="a whole number of Hz"):
        face.frames(speech, sample_rate=0)
    quiet = face.frames(speech / 1000)
    assert np.abs(quiet.astype(int) - face.frames(speech)).mean() < 2


def test_training_ends_in_a_face(tiny_dataset, tiny_system, tmp_path, monkeypatch):
    monkeypatch.setitem(PRESETS, "tiny", tiny_system)
    trained = TalkingFace.train(tiny_dataset.folder, tmp_path / "run", preset="tiny", steps=4)
    assert trained.frames(np.zeros(8000)).shape == (12, 16, 16, 3)
    settings = json.loads((tmp_path / "run" / "refiner" / "config.json").read_text())["settings"]
    assert settings["training"]["steps"] == 4
    with pytest.raises(InputError, match="steps -1: give 1 or more"):
        TalkingFace.train(tiny_dataset, tmp_path / "other", preset="tiny", steps=-1)
    with pytest.raises(InputError, match="preset 'huge': choose one of "):
        TalkingFace.train(tiny_dataset, tmp_path / "other", preset="huge")
    with pytest.raises(InputError, match="encoder mine: only the presets minutes and hours start from one"):
        TalkingFace.train(tiny_dataset, tmp_path / "other", preset="2017", encoder="mine")


def test_an_unknown_preset_names_the_published_ones():
    with pytest.raises(InputError, match="grid-s1-128, grid-s1-64"):
        TalkingFace.from_preset("nobody")


def test_a_clip_becomes_a_dataset(tmp_path):
    dataset = audio2faces.prepare(SAMPLES / "bbir8p.mkv", tmp_path / "data", size=32, licence="CC BY 4.0")
    assert dataset.size == 32 and len(dataset.clips) == 1
    assert audio2faces.open_dataset(tmp_path / "data").fingerprint == dataset.fingerprint
