import errno
import os
import resource
import shutil

import numpy as np
import pytest

from audio2faces.evaluate.baselines import NearestAudio, mean_face
from preprocessing.dataset import Clip, check_size, open_dataset
from preprocessing.flip.finding import find_mirrored
from preprocessing.speech.audio_features import FeatureStatistics
from runtime import array_file
from runtime.array_file import ArrayFile
from runtime.errors import InputError
from runtime.program import program
from training.frames import FrameSet

from .conftest import dataset_of, drawn_clip, run_program


@pytest.fixture
def few_files():
    """Lets this process open hardly more files than it has open now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/dev/fd")) + 20, hard))
    yield
    resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


@pytest.mark.parametrize("size, remedy", [(128, "give --size 128"), (48, "prepare them with --size 64")])
def test_faces_of_another_size_than_the_models(tmp_path, size, remedy):
    dataset = dataset_of(tmp_path, [drawn_clip(tmp_path, "a", "train", 0)], size=size)
    with pytest.raises(InputError, match=f"faces of {size} pixels, the model has 64; {remedy}"):
        check_size(dataset, 64)
    assert run_program("-m", "preprocessing", tmp_path, "--out", tmp_path, "--size", "48").returncode == 2


def test_more_clips_than_files_may_be_open(tmp_path, few_files, tiny_config):
    entry = drawn_clip(tmp_path, "clip00", "train", 0)
    for index in range(1, 40):
        shutil.copytree(tmp_path / "clips" / "clip00", tmp_path / "clips" / f"clip{index:02}", copy_function=os.link)
    dataset = dataset_of(tmp_path, [{**entry, "name": f"clip{index:02}"} for index in range(40)])
    clips = dataset.split("train")
    expected = np.load(tmp_path / "clips" / "clip00" / "faces.npy")
    np.testing.assert_array_equal(np.stack([clip.faces for clip in clips]), np.stack([expected] * 40))
    features = tiny_config.speech.feature_settings
    frames = FrameSet(clips, features)
    np.testing.assert_array_equal(frames.faces(np.arange(len(frames))), np.concatenate([expected] * 40))
    baseline = NearestAudio(frames, FeatureStatistics.fit(frames.maps), features)
    np.testing.assert_array_equal(baseline(clips[7]), expected)
    np.testing.assert_array_equal(mean_face(clips), np.rint(expected.mean(axis=0)))
    assert len(find_mirrored(dataset).decisions) == 40


def test_too_many_open_files_are_not_called_damage(tmp_path, tiny_dataset, monkeypatch, capsys):
    clip = Clip(tiny_dataset.clips[0].folder, {})

    def refused(path):
        raise OSError(errno.EMFILE, "Too many open files", path)

    monkeypatch.setattr(array_file.io, "FileIO", refused)
    assert program(lambda: clip.faces)() == 1
    line = capsys.readouterr().err
    assert "damaged" not in line and "preprocessing" not in line and "ulimit -n" in line


@pytest.mark.parametrize(
    "index",
    [0, -1, np.int64(3), slice(2, 9, 3), [1, 1, 4], np.arange(10) > 6, (slice(None), slice(1), 2), Ellipsis],
)
def test_an_array_on_disk_is_indexed_as_one_in_memory(tmp_path, index):
    array = np.random.default_rng(0).integers(0, 256, (10, 4, 4, 3), np.uint8)
    np.save(tmp_path / "array.npy", array)
    stored = ArrayFile(tmp_path / "array.npy")
    assert (stored.shape, stored.dtype, len(stored)) == (array.shape, array.dtype, 10)
    np.testing.assert_array_equal(stored[index], array[index])
    assert type(stored[index]) is np.ndarray
    with pytest.raises(IndexError):
        stored[10]


def test_faces_that_change_under_a_reader_are_noticed(tmp_path):
    np.save(tmp_path / "array.npy", np.zeros((10, 4)))
    stored = ArrayFile(tmp_path / "array.npy")
    np.save(tmp_path / "array.npy", np.ones((12, 4)))
    with pytest.raises(InputError, match="written anew while it was in use"):
        stored[0]
    whole = (tmp_path / "array.npy").read_bytes()
    (tmp_path / "array.npy").write_bytes(whole[:-1])
    with pytest.raises(ValueError, match="cut short"):
        ArrayFile(tmp_path / "array.npy")


@pytest.fixture
def dataset(tmp_path):
    dataset_of(tmp_path, [drawn_clip(tmp_path, f"clip{index}", "train", index) for index in range(3)])
    return tmp_path


def test_the_fingerprint_tells_faces_and_times_and_speech(dataset):
    clip = dataset / "clips" / "clip1"
    kept = {path.name: path.read_bytes() for path in clip.iterdir()}
    seen = [open_dataset(dataset).fingerprint]
    faces = np.load(clip / "faces.npy")
    faces[0, 0, 0, 0] ^= 1
    np.save(clip / "faces.npy", faces)
    seen.append(open_dataset(dataset).fingerprint)
    (clip / "faces.npy").write_bytes(kept["faces.npy"])
    np.savez(clip / "track.npz", time=np.arange(20) / 25 + 0.04)
    seen.append(open_dataset(dataset).fingerprint)
    (clip / "track.npz").write_bytes(kept["track.npz"])
    (clip / "speech.wav").write_bytes(kept["speech.wav"][:-2] + b"\1\0")
    seen.append(open_dataset(dataset).fingerprint)
    assert len(set(seen)) == 4
    (clip / "speech.wav").write_bytes(kept["speech.wav"])
    assert open_dataset(dataset).fingerprint == seen[0]
