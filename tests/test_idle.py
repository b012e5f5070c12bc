from itertools import islice
from types import SimpleNamespace

import numpy as np
import pytest

from audio2faces.frames import MotionSet
from audio2faces.idle import STRETCHES, IdleMotion, fit_idle_motion, stretches_of
from audio2faces.regressor_training import Training
from began.mouth import MouthComponents


def walk(generator, frames, size):
    """A random walk that stays near 0."""
    steps = generator.normal(size=(frames, size))
    positions = np.zeros((frames, size))
    for frame in range(1, frames):
        positions[frame] = 0.9 * positions[frame - 1] + 0.3 * steps[frame]
    return positions


@pytest.fixture(scope="module")
def idle():
    generator = np.random.default_rng(0)
    kernel = generator.normal(size=(2, 16, 16, 3)).astype(np.float16)
    stretches = np.stack([walk(generator, 75, 2) for _ in range(10)]).astype(np.float16)
    return IdleMotion(kernel, stretches, 25.0)


def test_the_replay_is_real_motion_without_leaps(idle):
    course = np.stack(list(islice(idle.replay(25.0, seed=1), 1000)))
    leaps = np.abs(np.diff(idle.stretches.astype(float), axis=1)).max()
    assert np.abs(np.diff(course, axis=0)).max() <= leaps
    assert course.std() == pytest.approx(idle.stretches.astype(float).std(), rel=0.3)
    real = {tuple(code) for stretch in idle.stretches for code in stretch}
    assert np.mean([tuple(code.astype(np.float16)) in real for code in course]) > 0.6  # the rest are joins


def test_the_replay_depends_on_the_seed_alone(idle):
    one, same, other = (np.stack(list(islice(idle.replay(25.0, seed), 200))) for seed in (0, 0, 1))
    np.testing.assert_array_equal(one, same)
    assert (one != other).any()


def test_another_frame_rate_plays_the_same_motion(idle):
    slow, fast = (
        np.stack(list(islice(idle.replay(rate, seed=0), count))) for rate, count in ((25.0, 200), (50.0, 400))
    )
    np.testing.assert_allclose(fast[::2], slow, atol=1e-5)
    np.testing.assert_allclose(fast[1:-1:2], (slow[:-1] + slow[1:]) / 2, atol=1e-5)


def test_pictures_are_linear_in_the_code(idle):
    one, other = np.array([[1.0, 0]]), np.array([[0, 1.0]])
    np.testing.assert_allclose(idle.pictures(2 * one - other), 2 * idle.pictures(one) - idle.pictures(other), atol=1e-4)


def test_stretches_stay_within_their_sequence():
    sequence_of = np.repeat([0, 1, 2], [160, 30, 80])
    codes = np.arange(270.0)[:, None]
    stretches = stretches_of(codes, sequence_of, 25.0)
    assert [(stretch[0, 0], len(stretch)) for stretch in stretches] == [(0, 75), (75, 75), (190, 75)]
    assert len(stretches_of(np.zeros((20000, 1)), np.zeros(20000, int), 25.0)) == STRETCHES
    assert stretches_of(codes[:20], sequence_of[:20], 25.0).shape == (1, 20, 1)


def test_idle_motion_is_what_the_regressor_leaves_less_what_goes_with_the_mouth(tiny_dataset, tiny_config):
    """Of the drawn clips, in which the mouth alone moves, made to nod on their own, and to blush with the mouth."""
    frames = MotionSet(tiny_dataset.split("train"), tiny_config)
    mouth = MouthComponents.of(frames.clips)
    opening = np.concatenate([mouth.of_faces(clip.faces) for clip in frames.clips])
    generator = np.random.default_rng(0)
    nods = generator.normal(size=(len(frames), 8)).astype(np.float32)
    shapes = generator.normal(size=(9, 16, 16, 3)).astype(np.float32)
    added = 0.1 * np.tensordot(np.column_stack([nods, opening[:, 0] / opening[:, 0].std()]), shapes, 1)
    honest = frames.motion
    frames.motion = lambda indices: honest(indices) + added[indices]
    heard = SimpleNamespace(predict_on_batch=lambda maps: np.zeros((len(maps), 16, 16, 3), np.float32))
    kernel, codes = fit_idle_motion(frames, lambda maps: maps, heard, 4, tiny_config.covered)
    assert kernel.shape == (4, 16, 16, 3) and codes.shape == (100, 4)
    assert np.abs(codes.T @ opening).max() < 1e-3 * len(frames) * opening.std()
    np.testing.assert_allclose(codes.std(axis=0), 1, atol=0.1)
    told = nods @ np.linalg.lstsq(nods, codes, rcond=None)[0]
    assert 1 - np.var(codes - told) / np.var(codes) > 0.9  # they are nods, not blushes


def test_at_rest_a_clip_shows_its_quietest_frames(tiny_dataset, tiny_config):
    training = Training.of(tiny_config, tiny_dataset.split("train"))
    targets = training.targets(np.array([3, 45]), np.array([False, True]))
    np.testing.assert_array_equal(targets[0], training.frames.motion(np.array([3]))[0])
    quietest = np.argsort(training.frames.maps[2][:, :, 0].mean(axis=1), kind="stable")[:5]
    np.testing.assert_allclose(targets[1], training.frames.motion(40 + quietest).mean(axis=0), atol=1e-6)
