from itertools import islice

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


def test_stretches_stay_within_their_clip():
    clip_of = np.repeat([0, 1, 2], [160, 30, 80])
    codes = np.arange(270.0)[:, None]
    stretches = stretches_of(codes, clip_of, 25.0)
    assert [(stretch[0, 0], len(stretch)) for stretch in stretches] == [(0, 75), (75, 75), (190, 75)]
    assert len(stretches_of(np.zeros((20000, 1)), np.zeros(20000, int), 25.0)) == STRETCHES
    assert stretches_of(codes[:20], clip_of[:20], 25.0).shape == (1, 20, 1)


def test_idle_motion_leaves_the_mouth_to_the_speech(tiny_dataset, tiny_config):
    """In the drawn clips nothing moves but the mouth: there is no idle motion."""
    frames = MotionSet(tiny_dataset.split("train"), tiny_config)
    _, codes = fit_idle_motion(frames, tiny_config.idle, tiny_config.covered)
    assert codes.shape == (100, 2) and np.abs(codes).max() < 1e-3


def test_what_is_learned_is_the_motion_less_the_idle_motion(tiny_dataset, tiny_config):
    training = Training.of(tiny_config, tiny_dataset.split("train"))
    indices, at_rest = np.array([3, 45]), np.array([False, True])
    targets = training.targets(indices, at_rest)
    idle = training.idle_pictures(training.codes[indices])
    np.testing.assert_allclose(targets[0], training.frames.motion(indices)[0] - idle[0], atol=1e-6)
    clip = training.frames.clips[2]
    quietest = np.argsort(training.frames.maps[2][:, :, 0].mean(axis=1), kind="stable")[:5]
    expected = training.frames.motion_of_clip(clip)[quietest].mean(axis=0)
    np.testing.assert_allclose(targets[1], expected, atol=1e-6)
    assert MouthComponents.of(tiny_dataset.split("train")).basis.shape[0] == 5
