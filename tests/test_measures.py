from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import tensorflow as tf

from audio2faces.evaluate import evaluation
from audio2faces.evaluate.baselines import NearestAudio
from audio2faces.evaluate.evaluation import measure, verdict
from measures.collapse import sharpness
from measures.mouth import MouthComponents, measures_of_sums, mouth_measures, mouth_motion, swapped_sums
from measures.other_voices import agreement, opening_component, speech_span, talker_agreement, talker_opening
from measures.similarity import flicker, mouth_opening, psnr, ssim, still_region
from media.writing import write_wav
from preprocessing.faces.alignment import mouth_slices
from preprocessing.speech.audio_features import FEATURE_PRESETS, FeatureStatistics
from training.frames import FrameSet, frame_numbers

from .conftest import dataset_of, drawn_clip


def talking(frames, seed, size=32):
    """Faces whose mouth box brightens and darkens as a whole, with a clip's own background."""
    generator = np.random.default_rng(seed)
    faces = np.full((frames, size, size, 3), generator.integers(60, 120), np.uint8)
    opening = generator.integers(0, 100, frames).astype(np.uint8)
    faces[(slice(None), *mouth_slices(size))] += opening[:, None, None, None]
    return faces, opening


def test_components_find_the_one_way_in_which_mouths_move():
    clips = [talking(40, seed) for seed in range(3)]
    components = MouthComponents.fit([SimpleNamespace(faces=faces) for faces, _ in clips])
    np.testing.assert_allclose(components.basis @ components.basis.T, np.eye(5), atol=1e-5)
    faces, opening = talking(40, 7)
    first = components.transform(faces)[:, 0]
    assert abs(np.corrcoef(first, opening)[0, 1]) == pytest.approx(1)
    pixels = mouth_motion(faces).shape[1]
    assert first.std() == pytest.approx(opening.std() / 255 * np.sqrt(pixels), rel=1e-4)


def test_components_are_the_eigenvectors_of_the_covariance():
    generator = np.random.default_rng(0)
    shapes = generator.normal(size=(30, 32, 32, 3)) * (0.8 ** np.arange(30))[:, None, None, None]
    clips = [
        SimpleNamespace(faces=128 + 4 * np.tensordot(generator.normal(size=(40, 30)), shapes, 1)) for _ in range(3)
    ]
    for clip in clips:
        clip.faces = clip.faces.clip(0, 255).astype(np.uint8)
    motion = np.concatenate([mouth_motion(clip.faces) for clip in clips])
    expected = np.linalg.eigh(motion.T @ motion)[1][:, :-6:-1]
    found = MouthComponents.fit(clips).basis
    np.testing.assert_allclose(np.abs((found @ expected).diagonal()), 1, atol=1e-4)
    still = [SimpleNamespace(faces=np.zeros((40, 32, 32, 3), np.uint8))]
    np.testing.assert_array_equal(MouthComponents.fit(still).transform(still[0].faces), 0)


def test_the_clip_s_mean_does_not_count():
    faces, _ = talking(20, 0)
    np.testing.assert_allclose(mouth_motion(faces), mouth_motion(faces + 30), atol=1e-6)


def test_mouth_measures_by_hand():
    real = [np.array([[1.0, 0], [-1, 0], [2, 1], [-2, -1]])]
    half = mouth_measures(real, [real[0] / 2])
    assert half["correlation"] == pytest.approx(1) and half["amplitude"] == pytest.approx(0.5)
    assert half["explained_variance"] == pytest.approx(0.75)
    mirrored = mouth_measures(real, [-real[0]])
    assert mirrored["correlation"] == pytest.approx(-1) and mirrored["explained_variance"] == pytest.approx(-3)
    still = mouth_measures(real, [0 * real[0]])
    assert (still["correlation"], still["amplitude"], still["explained_variance"]) == (0, 0, 0)
    assert still["best_lag"] is None


@pytest.mark.parametrize("lag", [-3, 0, 2])
def test_late_motion_has_a_positive_lag(lag):
    motion = np.random.default_rng(0).normal(size=(60, 5))
    assert (
        mouth_measures([motion, motion[::-1]], [np.roll(motion, lag, 0), np.roll(motion[::-1], lag, 0)])["best_lag"]
        == lag
    )


def test_psnr_and_ssim_by_hand():
    real = np.full((2, 16, 16, 3), 100, np.uint8)
    np.testing.assert_allclose(psnr(real, real), 100)
    np.testing.assert_allclose(psnr(real, real + 10), 20 * np.log10(255 / 10))
    textured = np.random.default_rng(0).integers(0, 256, (2, 16, 16, 3), np.uint8)
    np.testing.assert_allclose(ssim(textured, textured), 1, atol=1e-6)
    constant = (2 * 100 * 110 + 2.55**2) / (100**2 + 110**2 + 2.55**2)  # two flat pictures: the luminance term alone
    np.testing.assert_allclose(ssim(real, real + 10), constant, atol=1e-4)


@pytest.mark.parametrize("shape", [(64, 48), (16, 16), (11, 14)])
def test_ssim_is_tensorflow_s(shape):
    generator = np.random.default_rng(0)
    real = np.stack([cv2.GaussianBlur(generator.integers(0, 256, (*shape, 3), np.uint8), (0, 0), 2) for _ in range(3)])
    other = np.clip(real + generator.normal(0, 20, real.shape), 0, 255).astype(np.uint8)
    expected = tf.image.ssim(tf.constant(real), tf.constant(other), 255, filter_size=min(11, *shape)).numpy()
    np.testing.assert_allclose(ssim(real, other), expected, atol=1e-4)
    small = slice(None), slice(5), slice(8)
    assert (ssim(real[small], other[small]) < 1).all() and (ssim(real[small], real[small]) > 0.999).all()


def test_sharpness_falls_with_blur():
    textured = np.random.default_rng(0).integers(0, 256, (3, 16, 16, 3), np.uint8)
    blurred = ((textured.astype(int) + np.roll(textured, 1, axis=2)) // 2).astype(np.uint8)
    assert sharpness(np.full_like(textured, 9)) == 0
    assert sharpness(blurred) < 0.6 * sharpness(textured)


def test_flicker_looks_where_the_real_clip_is_still():
    real, _ = talking(10, 0)
    real[:, :8] = np.random.default_rng(0).integers(0, 255, (10, 8, 32, 3))
    region = still_region(real)
    assert not region[:8].any() and not region[mouth_slices(32)].any() and region.any()
    assert flicker(real, region) == 0
    trembling = real.copy()
    trembling[1::2] += 4
    assert flicker(trembling, region) == 4


def test_frames_across_dropped_ones_are_not_neighbours():
    faces = np.zeros((4, 32, 32, 3), np.uint8)
    faces[1] = 2
    faces[2:] = 90
    assert flicker(faces, np.ones((32, 32), bool), numbers=[0, 1, 7, 8]) == 1
    assert flicker(faces, np.ones((32, 32), bool), numbers=[0, 2, 7, 9]) == 0


def test_the_lag_is_counted_in_frames_of_the_video():
    """Motion that comes two frames late, in clips of which frames were dropped."""
    generator = np.random.default_rng(0)
    real, late, numbers = [], [], []
    for _ in range(4):
        motion = generator.normal(size=(62, 5))
        kept = np.sort(generator.permutation(60)[:35])
        real.append(motion[2:][kept])
        late.append(motion[:-2][kept])
        numbers.append(kept)
    assert mouth_measures(real, late, numbers)["best_lag"] == 2


def test_frame_numbers_count_what_was_dropped():
    clip = SimpleNamespace(times=np.array([0.0, 0.041, 0.08, 0.201, 0.24]), entry={"fps": 25.0})
    assert frame_numbers(clip).tolist() == [0, 1, 2, 5, 6]


def test_the_nearest_audio_is_read_at_the_rate_of_the_features(tmp_path):
    dataset = dataset_of(tmp_path, [drawn_clip(tmp_path, f"clip{index}", "train", index) for index in range(2)])
    for clip in dataset.clips:
        write_wav(clip.folder / "speech.wav", np.zeros(16000), 16000)  # which features of 2017 do not hear
    features = FEATURE_PRESETS["2017-networks"]
    frames = FrameSet(dataset.clips, features)
    statistics = FeatureStatistics.fit(frames.maps)
    for clip in dataset.clips:
        np.testing.assert_array_equal(NearestAudio(frames, statistics, features)(clip), clip.faces)


def drawn_mouth(opening, size=128, skin=(200, 150, 130), lip=(190, 90, 90), inside=(60, 40, 35)):
    """A face of skin with two lips, and between them `opening` rows of what is inside."""
    face = np.full((size, size, 3), skin, np.uint8)
    middle = round(0.82 * size)
    face[middle - opening - 6 : middle + 6, 40:88] = lip
    face[middle - opening : middle, 44:84] = inside
    return face


def test_the_opening_of_the_mouth_by_hand():
    openings = mouth_opening(np.stack([drawn_mouth(rows) for rows in (0, 2, 4, 8)]))
    assert openings[0] == 0
    np.testing.assert_allclose(openings[2:] / openings[1], [2, 4], rtol=0.02)
    assert openings[3] == pytest.approx(8 / 128, rel=0.4)
    dark = mouth_opening(np.stack([(drawn_mouth(8) * 0.6).astype(np.uint8)]))
    assert dark[0] == pytest.approx(openings[3], rel=0.15)
    assert mouth_opening(np.full((1, 64, 64, 3), 90, np.uint8))[0] == 0


def test_confidence_intervals_hold_the_value():
    clips = [talking(20, seed) for seed in range(8)]
    real = [faces for faces, _ in clips]
    generator = np.random.default_rng(0)
    noisy = [np.clip(faces + generator.normal(0, 8, faces.shape), 0, 255).astype(np.uint8) for faces in real]
    values = measure(real, noisy, MouthComponents.fit([SimpleNamespace(faces=faces) for faces in real]))
    for name, (low, high) in values["intervals"].items():
        assert low <= values[name] <= high, name
    assert (
        values["swap"] == pytest.approx(1, abs=0.1) and values["intervals"]["psnr"][1] > values["intervals"]["psnr"][0]
    )


def test_an_interval_is_that_of_clips_drawn_anew(monkeypatch):
    real = [talking(20, seed)[0] for seed in range(4)]
    made = [np.roll(faces, 1, axis=0) // 2 + faces // 4 for faces in real]
    components = MouthComponents.fit([SimpleNamespace(faces=faces) for faces in real])
    draws = np.random.default_rng(0).integers(4, size=(400, 4))
    drawn = [measure([real[n] for n in draw], [made[n] for n in draw], components) for draw in draws[:20]]
    monkeypatch.setattr(evaluation, "RESAMPLED", 20)
    for name, (low, high) in measure(real, made, components)["intervals"].items():
        if not name.startswith("swap"):  # they follow the order of the clips
            assert (low, high) == pytest.approx(np.quantile([of_draw[name] for of_draw in drawn], [0.025, 0.975]))


@pytest.mark.parametrize(
    ("correlation", "swapped", "explained", "clips", "begins"),
    [
        (
            0.9,
            0.6,
            0.6,
            3,
            "follows the speech very well: correlation 0.90 with the real mouth on 3 held-out clips, 0.60",
        ),
        (0.9, 0.75, 0.6, 3, "follows the speech usably: "),
        (0.9, None, 0.6, 1, "follows the speech very well: correlation 0.90 with the real mouth on 1 held-out clip; "),
        (0.76, 0.71, 0.36, 2, "does not follow the speech: correlation 0.76 with the real mouth on 2 held-out clips, "),
        (0.5, 0.2, 0.2, 3, "follows the speech usably: "),
        (0.06, 0.0, -0.7, 3, "does not follow the speech: "),
        (0.9, 0.1, -0.1, 3, "does not follow the speech: "),
        (0.0, 0.0, None, 3, "does not follow the speech: "),
    ],
)
def test_the_verdict_in_words(correlation, swapped, explained, clips, begins):
    values = {"correlation": correlation, "swapped_correlation": swapped, "explained_variance": explained}
    line = verdict(values, clips, 16.2)
    assert line.startswith(f"The mouth {begins}") and "a mouth at rest 0" in line
    more = None if "very well" in line else "5.0" if "usably" in line else "3.0"
    assert ("record" not in line) if more is None else line.endswith(f"16 s of speech: record {more} more minutes.")
    assert "preview.mp4" in verdict(values, clips, 600) or more is None


def test_what_rests_and_speaks_like_any_sentence_is_told_by_the_others():
    """Two clips that open at the same time: made motion that fits both alike, and one that fits its own alone."""
    habit = np.repeat([0.0, 4, 0], 10)
    own = [np.tile([1.0, -1], 15), np.tile([1.0, 1, -1, -1, 1], 6)]
    real = [np.stack([habit + of_clip] + [np.zeros(30)] * 4, axis=1) for of_clip in own]
    alike = [np.stack([habit] + [np.zeros(30)] * 4, axis=1)] * 2
    for made, better in ((alike, False), (real, True)):
        sums = sum(swapped_sums(real, made))
        swapped = float(measures_of_sums(sums)["correlation"])
        assert (mouth_measures(real, made)["correlation"] - swapped > 0.1) == better and swapped > 0.5
    assert not np.any(swapped_sums(real[:1], real[:1]))


def test_swapped_speech_that_moves_nothing_counts_nothing():
    real = [talking(20, seed)[0] for seed in range(3)]
    held = [np.broadcast_to(faces[0], faces.shape) for faces in real]
    values = measure(real, held, MouthComponents.fit([SimpleNamespace(faces=faces) for faces in real]))
    assert values["swap"] == pytest.approx(0, abs=1e-6) and values["flicker"] is None
    alone = measure(real[:1], real[:1], MouthComponents.fit([SimpleNamespace(faces=faces) for faces in real]))
    assert alone["swapped_correlation"] is None and "swapped_correlation" not in alone["intervals"]  # no other clip


def test_the_mouth_of_a_talker_is_followed_by_another_face():
    """The talker's mouth opens with the loudness; the first component's sign is free, and no pixels are compared."""
    talkers, made, maps = [], [], []
    for seed in range(4):
        faces, opening = talking(40, seed)
        talkers.append(SimpleNamespace(faces=faces))
        made.append(3 + 0.2 * opening)
        energy = np.where(np.arange(40) < 10, -20.0, opening / 50)
        maps.append(np.repeat(energy[:, None, None], 3, axis=1) + np.zeros((40, 3, 2)))
    theirs = talker_opening(talkers, maps)
    assert agreement(theirs, made) > 0.95
    spans = [speech_span(of_clip) for of_clip in maps]
    assert all(span.start >= 10 for span in spans)
    at_rest_elsewhere = [curve + np.where(np.arange(40) < 10, 20.0, 0.0) for curve in made]
    whole, speaking = talker_agreement(talkers, maps, at_rest_elsewhere)
    assert (whole, speaking) == (agreement(theirs, at_rest_elsewhere), agreement(theirs, at_rest_elsewhere, spans))
    assert agreement(theirs, at_rest_elsewhere) < 0.9 < agreement(theirs, at_rest_elsewhere, spans)
    along = opening_component(talkers, maps)
    assert all(np.array_equal(along(talker.faces), curve) for talker, curve in zip(talkers, theirs, strict=True))
    assert along(talkers[0].faces)[np.argmax(made[0])] > 0  # positive where open
    reversed_speech = [curve[::-1] for curve in made]
    assert agreement(theirs, reversed_speech) < agreement(theirs, made) / 2
