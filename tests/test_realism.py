"""Measures of how real generated mouths look."""

import sys

import numpy as np
import pytest

from experiments import realism
from measures.frechet import frechet_distance


def test_the_frechet_distance_of_normal_distributions():
    generator = np.random.default_rng(0)
    features = generator.normal(size=(20000, 3)) * (1, 2, 3)
    assert frechet_distance(features, features) == pytest.approx(0, abs=1e-6)
    assert frechet_distance(features, features + np.array([3, 4, 0])) == pytest.approx(25)
    halved = frechet_distance(features, features / 2)  # the sum of (deviation - deviation / 2) ** 2
    assert halved == pytest.approx((1 + 4 + 9) / 4, rel=0.03)
    mean = np.broadcast_to(features.mean(axis=0), features.shape)
    assert frechet_distance(features, mean) == pytest.approx(1 + 4 + 9, rel=0.03)
    assert frechet_distance(features[:9000], features[9000:]) < 0.05


def test_mouths_are_padded_until_they_can_be_halved():
    faces = np.arange(64, dtype=np.uint8)[None, :, None, None] + np.zeros((2, 64, 64, 3), np.uint8)
    seen = realism.padded(faces)
    assert seen.shape == (2, 24, 32, 3) and (seen[:, 22:] == seen[:, 21:22]).all()
    changed = realism.moved(seen, np.random.default_rng(0))
    assert changed.shape == seen.shape and np.abs(changed[0] - changed[1]).max() > 0.001


def test_stripes_are_told_and_the_same_pictures_are_not():
    generator = np.random.default_rng(0)
    real = [generator.integers(60, 180, (12, 1, 1, 3)) + generator.integers(-20, 20, (12, 24, 32, 3)) for _ in range(8)]
    real = [mouths.astype(np.uint8) for mouths in real]
    striped = [np.where(np.arange(32)[:, None] % 2, mouths, mouths // 2).astype(np.uint8) for mouths in real]
    assert realism.classifier_accuracy(real, striped, 40) > 0.9
    assert realism.classifier_accuracy(real, real, 40) == 0.5  # whatever it says of one, it says of the other


def test_a_face_is_compared_with_its_speaker(tiny_dataset, tiny_model_folder, tmp_path, monkeypatch, capsys):
    arguments = ["--data", tiny_dataset.folder, "--model", tiny_model_folder, "--steps", 2]
    arguments += ["--picture", tmp_path / "rows.png"]
    monkeypatch.setattr(sys, "argv", ["realism", *map(str, arguments)])
    assert realism.main() == 0
    rows = [line.split("|")[1].strip() for line in capsys.readouterr().out.splitlines()[2:]]
    assert rows == ["real, other clips", "first frame held", "nearest audio", "tiny, regressor alone", "tiny"]
    assert (tmp_path / "rows.png").exists()
