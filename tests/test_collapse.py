from types import SimpleNamespace

import numpy as np
import pytest

from began.config import BeganConfig
from began.evaluate import format_table
from began.validation import BeganValidation, score
from measures.collapse import (
    distances,
    diversity,
    duplicate_rate,
    duplicate_threshold,
    mouths,
    nearest,
    sharpness,
    two_groups,
)
from measures.mouth import MouthComponents
from training.frames import FrameSet

from .conftest import dataset_of, drawn_clip, one_line, run_program


def grey(*levels, size=16):
    """One face of each level, all its pixels alike."""
    return np.stack([np.full((size, size, 3), level, np.uint8) for level in levels])


def test_distances_by_hand():
    pixels = 16 * 16 * 3
    np.testing.assert_allclose(distances(grey(0, 3), grey(4)), np.sqrt(pixels) * np.array([[4], [1]]), rtol=1e-5)


def test_small_distances_between_bright_faces_are_exact():
    generator = np.random.default_rng(0)
    face = generator.integers(200, 256, (1, 64, 64, 3)).astype(np.uint8)
    other = face.copy()
    other[0, 0, 0, 0] -= 3
    pair = np.concatenate([face, other])
    np.testing.assert_allclose(distances(pair, pair), [[0, 3], [3, 0]], atol=0.05)


def test_diversity_is_that_of_real_faces_for_real_faces_and_nothing_for_one_face():
    real = grey(0, 100, 200)
    assert diversity(real, real) == 1
    assert diversity(grey(0, 50, 100), real) == pytest.approx(0.5)
    assert diversity(grey(70, 70, 70), real) == 0


def test_duplicates_are_nearer_than_real_faces_of_different_clips():
    real, clip_of = grey(0, 1, 100, 101, 200, 201), np.array([0, 0, 1, 1, 2, 2])
    threshold = duplicate_threshold(real, clip_of)
    assert threshold == pytest.approx(99 * np.sqrt(768), rel=0.01)  # the two of a clip do not count
    assert duplicate_rate(grey(0, 120, 240), threshold) == 0
    assert duplicate_rate(grey(0, 10, 240), threshold) == pytest.approx(1 / 3)


def test_the_nearest_face_is_found():
    assert list(nearest(grey(9, 90, 254), grey(0, 100, 255))) == [0, 1, 2]


def test_two_groups_of_clips_are_distinguished():
    generator = np.random.default_rng(0)
    means = np.concatenate([generator.normal(50, 5, (6, 12)), generator.normal(150, 5, (6, 12))])
    group = two_groups(means)
    assert len(set(group[:6])) == len(set(group[6:])) == 1 and group[0] != group[-1]


def test_sharpness_is_lost_by_blurring():
    generator = np.random.default_rng(0)
    faces = generator.integers(0, 255, (3, 16, 16, 3), np.uint8)
    blurred = ((faces[:, 1:].astype(int) + faces[:, :-1]) // 2).astype(np.uint8)
    assert sharpness(blurred) < 0.7 * sharpness(faces) and sharpness(grey(7)) == 0


def test_the_score_counts_nothing_beyond_one_and_correlation_only_for_conditional_models():
    values = {"diversity": 2.0, "mouth_diversity": 0.5, "sharpness": 1.5, "correlation": -0.3}
    assert score(values, conditional=False) == 0.5 and score(values, conditional=True) == 0


class Puppet:
    """Stands for a generator: its mouth opens with the loudness it hears, its background is z."""

    config = SimpleNamespace(speech=SimpleNamespace(code_size=8), z_size=1)

    def __init__(self, deaf=False, rigid=False):
        self.deaf, self.rigid = deaf, rigid

    def draw(self, count, seed):
        return np.random.default_rng(seed).uniform(100, 200, (count, 1)) * (0 if self.rigid else 1)

    def faces(self, maps, z):
        loudness = np.zeros(len(maps)) if self.deaf else maps[:, 15:20, 0].mean(axis=1)
        made = np.broadcast_to(z[:, :, None, None], (len(maps), 16, 16, 1)).repeat(3, axis=-1).astype(float)
        made[:, 12:, 5:11] = (100 - 15 * np.clip(loudness, -6, 0))[:, None, None, None] % 256
        return made.astype(np.uint8)


@pytest.fixture(scope="module")
def validate(tiny_dataset):
    features = BeganConfig().speech.feature_settings
    train, held_out = (FrameSet(tiny_dataset.split(name), features) for name in ("train", "test"))
    return BeganValidation(train, held_out, MouthComponents.fit(train.clips), samples=30)


def test_a_generator_that_follows_speech_and_varies_passes(validate):
    values, rows = validate(Puppet())
    assert values["diversity"] > 0.5 and values["duplicates"] < 0.2 and values["mouth_swap"] > 0.25
    assert abs(values["correlation"]) > 0.4 and values["swap"] > 0
    assert {len(faces) for faces in rows.values()} == {12}
    assert set(rows) == {"real", "generated", "real sentence", "z fixed", "speech fixed"}
    assert (rows["z fixed"][:, 0, 0] == rows["z fixed"][0, 0, 0]).all()


def test_a_collapsed_generator_is_reported(validate):
    values, _ = validate(Puppet(deaf=True, rigid=True))
    assert values["diversity"] == values["mouth_diversity"] == values["swap"] == values["mouth_swap"] == 0
    assert values["duplicates"] == 1 and values["correlation"] == 0 and values["rarer_group"] == 0
    assert values["coverage"] <= 1


@pytest.mark.parametrize("moving", [True, False])
def test_clips_of_five_frames_and_clips_that_stand_still_can_be_measured(tiny_dataset, tmp_path, moving):
    dataset = dataset_of(tmp_path, [drawn_clip(tmp_path, f"clip{index}", "test", index, frames=5) for index in (0, 1)])
    if not moving:
        for clip in dataset.clips:
            np.save(clip.folder / "faces.npy", np.full((5, 16, 16, 3), 90, np.uint8))
    features = BeganConfig().speech.feature_settings
    train, held_out = (FrameSet(part, features) for part in (tiny_dataset.split("train"), dataset.clips))
    validate = BeganValidation(train, held_out, MouthComponents.fit(train.clips), samples=9)
    values, _ = validate(Puppet())
    assert all(value is None or np.isfinite(value) for value in values.values())
    for name in ("swap", "mouth_swap", "diversity", "sharpness", "amplitude"):
        assert (values[name] is not None) == moving, name
    assert " nan " not in format_table({"tiny": values})


def test_real_faces_measure_as_real(validate):
    values = validate.collapse(validate.real)
    assert values["diversity"] == values["mouth_diversity"] == values["sharpness"] == 1
    assert values["real_duplicates"] <= values["duplicates"]  # which counts pairs of one clip, too
    assert validate.collapse(validate.gallery)["coverage"] >= 1  # faces of every training clip
    assert mouths(validate.real).shape[1:3] == (5, 8)


def test_the_table_has_a_dash_for_what_real_faces_lack():
    lines = format_table({"real": {"diversity": 1.0}}).splitlines()
    assert [cell.strip() for cell in lines[2].split("|")][1:4] == ["real", "1.00", "-"]
    assert len({len(line) for line in lines}) == 1


def test_the_evaluation_refuses_what_it_cannot_measure(tiny_dataset, tiny_model_folder, tmp_path):
    data = ["--data", tiny_dataset.folder]
    refused = run_program("-m", "began.evaluate", "--model", tiny_model_folder, *data)
    assert "a model of kind audio2faces; here models of kind began are taken" in one_line(refused)
    refused = run_program("-m", "began.evaluate", "--model", "x", *data, "--samples", "1")
    assert "give at least 2" in one_line(refused)
    one_clip = dataset_of(
        tmp_path, [drawn_clip(tmp_path, "only", "train", 0), drawn_clip(tmp_path, "other", "test", 1)]
    )
    refused = run_program("-m", "began.evaluate", "--model", "x", "--data", one_clip.folder)
    assert "1 clip to train on; the collapse of a generator is measured between clips" in one_line(refused)
