from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from audio2faces.regressor.idle import (
    STRETCHES,
    IdleMotion,
    choose_stretches,
    eye_mask,
    find_stretches,
    fit_idle_motion,
    idle_frames,
    match_eyes,
)
from audio2faces.regressor.training import RegressorTask
from began.eigenfaces import COVERED
from measures.mouth import MouthComponents
from measures.similarity import eye_measures
from preprocessing.faces.alignment import eye_slices
from training.frames import FrameSet, FrameStore


def walk(generator, frames, size):
    """A random walk that stays near 0."""
    steps = generator.normal(size=(frames, size))
    positions = np.zeros((frames, size))
    for frame in range(1, frames):
        positions[frame] = 0.9 * positions[frame - 1] + 0.3 * steps[frame]
    return positions


ROWS, COLUMNS = eye_slices(16)


@pytest.fixture(scope="module")
def idle():
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(2, 16, 16, 3)).astype(np.float16)
    codes = np.stack([walk(generator, 75, 2) for _ in range(10)]).astype(np.float16)
    eyes = generator.integers(256, size=(10, 75, ROWS.stop - ROWS.start, COLUMNS.stop - COLUMNS.start, 3))
    return IdleMotion(kernel, codes, eyes.astype(np.uint8), 25.0)


def test_the_replay_is_real_motion_without_leaps(idle):
    codes, eyes = idle_frames(idle.replay(25.0, seed=1), 1000)
    leaps = np.abs(np.diff(idle.codes.astype(float), axis=1)).max()
    assert np.abs(np.diff(codes, axis=0)).max() <= leaps
    assert codes.std() == pytest.approx(idle.codes.astype(float).std(), rel=0.3)
    shown = [(frame, *at) for frame, at in enumerate(islice(idle.course(seed=1), 1000)) if not at[2]]
    assert len(shown) > 600  # the rest are joins
    for frame, number, *_ in shown:  # head and eyes of one real frame
        assert (codes[frame] == idle.codes.reshape(-1, 2)[number]).all()
        assert (eyes[frame] == idle.eyes.reshape(-1, *eyes.shape[1:])[number]).all()


def test_the_replay_depends_on_the_seed_alone(idle):
    one, same, other = (list(islice(idle.course(seed), 200)) for seed in (0, 0, 1))
    assert one == same and one != other


def test_another_frame_rate_plays_the_same_motion(idle):
    (slow, slow_eyes), (fast, fast_eyes) = (
        idle_frames(idle.replay(25.0 * times, seed=0), 200 * times) for times in (1, 2)
    )
    np.testing.assert_allclose(fast[::2], slow, atol=1e-5)
    np.testing.assert_allclose(fast[1:-1:2], (slow[:-1] + slow[1:]) / 2, atol=1e-5)
    np.testing.assert_allclose(fast_eyes[1:-1:2], (slow_eyes[:-1] + slow_eyes[1:]) / 2, atol=1e-3)


def test_motion_is_linear_in_the_code(idle):
    one, other = np.array([[1.0, 0]]), np.array([[0, 1.0]])
    np.testing.assert_allclose(idle.motion(2 * one - other), 2 * idle.motion(one) - idle.motion(other), atol=1e-4)


def test_eyes_are_real_pixels_and_fade_into_the_face(idle):
    faces, eyes = np.full((2, 16, 16, 3), 100, np.uint8), idle.eyes[0, :2].astype(np.float32)
    made = idle.with_eyes(faces, eyes)
    expected = 100 + eye_mask(16) * (eyes - 100)
    np.testing.assert_allclose(made[:, ROWS, COLUMNS], expected, atol=0.51)
    made[:, ROWS, COLUMNS] = 100
    np.testing.assert_array_equal(made, faces)
    mask = eye_mask(128)[..., 0]
    assert (mask[7:-7, 7:-7] == 1).all() and mask[[0, -1]].max() < 0.02 and mask[:, [0, -1]].max() < 0.02


def test_stretches_stay_within_their_sequence():
    sequence_of = np.repeat([0, 1, 2], [160, 30, 80])
    firsts, length = find_stretches(sequence_of, 25.0)
    assert (firsts.tolist(), length) == ([0, 75, 190], 75)
    firsts, length = find_stretches(sequence_of[:20], 25.0)
    assert (firsts.tolist(), length) == ([0], 20)


def test_chosen_stretches_fit_and_have_open_eyes_at_both_ends():
    eyes = np.full((30, 20, 4, 8, 3), 100, np.uint8)
    eyes[:, 8:12] = 160  # all blink in between
    eyes[3, -2:] = eyes[5, :3] = 160  # these while they are joined to others
    misfits = np.where(np.arange(30) % 3 == 2, 9.0, 1.0)  # of these the head has turned away
    chosen = choose_stretches(eyes, misfits, join=4)
    assert len(chosen) == STRETCHES and not {3, 5} & set(chosen) and (chosen % 3 != 2).all()


def test_eyes_take_on_the_light_of_the_face():
    generator = np.random.default_rng(0)
    faces = generator.uniform(60, 120, size=(3, 16, 40, 3)).astype(np.float32)
    light = 20 + 15 * np.linspace(-1, 1, 40)[:, None] * [1, 0.5, 0]
    eyes = faces - light
    eyes[:, 6:10, 10:30] += 30  # what the eyes do themselves stays
    matched, misfits = match_eyes(eyes, faces)
    np.testing.assert_allclose(matched[:, 6:10, 10:30], faces[:, 6:10, 10:30] + 30, atol=0.01)
    np.testing.assert_allclose(misfits, 0, atol=1e-4)
    eyes[1, 0, ::2] += 40
    assert match_eyes(eyes, faces)[1][1] > 5


def test_white_and_blurred_eyes_are_distinguished_from_real_ones():
    """Drawn eyes: a dark iris on white that looks about, some of them with a lid over it."""
    generator = np.random.default_rng(0)

    def clip():
        faces = np.full((20, 64, 64, 3), 180, np.uint8) + generator.integers(-3, 4, (1, 64, 64, 1)).astype(np.uint8)
        for face in faces[:17]:
            for x in (22, 42):
                at = x + generator.integers(-2, 3)
                face[25:30, x - 6 : x + 6] = 240
                face[25:30, at - 2 : at + 2] = 20
        return faces

    real = [clip() for _ in range(6)]
    like = eye_measures(clip(), real)
    assert like["eye_distance"] < 1.3 and like["eye_sharpness"] == pytest.approx(1, abs=0.15)
    mixed = np.mean([faces[:17] for faces in real], axis=0).astype(np.uint8)
    assert eye_measures(mixed, real)["eye_sharpness"] < 0.8
    white = clip()
    white[white < 100] = 240
    assert eye_measures(white, real)["eye_distance"] > 1.5


def test_idle_motion_is_what_the_regressor_leaves_less_what_goes_with_the_mouth(tiny_dataset, tiny_config):
    """Of the drawn clips, in which the mouth alone moves, made to nod on their own, and to blush with the mouth."""
    frames = FrameSet(tiny_dataset.split("train"), tiny_config.speech.feature_settings)
    mouth = MouthComponents.fit(frames.clips)
    opening = np.concatenate([mouth.transform(clip.faces) for clip in frames.clips])
    generator = np.random.default_rng(0)
    nods = generator.normal(size=(len(frames), 8)).astype(np.float32)
    shapes = generator.normal(size=(9, 16, 16, 3)).astype(np.float32)
    added = 0.1 * np.tensordot(np.column_stack([nods, opening[:, 0] / opening[:, 0].std()]), shapes, 1)
    honest = frames.motion
    frames.motion = lambda indices: honest(indices) + added[indices]
    heard = SimpleNamespace(predict_on_batch=lambda maps: np.zeros((len(maps), 16, 16, 3), np.float32))
    kernel, codes = fit_idle_motion(frames, lambda maps: maps, heard, 4, COVERED, mouth)
    assert kernel.shape == (4, 16, 16, 3) and codes.shape == (100, 4)
    assert np.abs(codes.T @ opening).max() < 1e-3 * len(frames) * opening.std()
    np.testing.assert_allclose(codes.std(axis=0), 1, atol=0.1)
    told = nods @ np.linalg.lstsq(nods, codes, rcond=None)[0]
    assert 1 - np.var(codes - told) / np.var(codes) > 0.9  # they are nods, not blushes


def test_at_rest_a_clip_shows_its_quietest_frames(tiny_dataset, tiny_config, tmp_path):
    training = RegressorTask(tiny_config, FrameStore(tiny_dataset), tmp_path)
    targets = training.targets(np.array([3, 45]), np.array([False, True]))
    np.testing.assert_array_equal(targets[0], training.frames.motion(np.array([3]))[0])
    quietest = np.argsort(training.frames.maps[2][:, :, 0].mean(axis=1), kind="stable")[:5]
    np.testing.assert_allclose(targets[1], training.frames.motion(40 + quietest).mean(axis=0), atol=1e-6)
