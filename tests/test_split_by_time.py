"""The splits of one continuous recording: by hand, and over many random ones."""

from itertools import pairwise

import numpy as np
import pytest

from preprocessing.segments import Segment, cut_segment
from preprocessing.speech.audio_features import FEATURE_PRESETS
from preprocessing.split_by_time import GAP, Part, divide

SPLITS = ("train", "validation", "test")


def parts_of(segments, longest=3.0):
    """Parts of these (start, end), cut into pieces as if the voice never paused."""
    voice = np.full(100_000, 0.9)
    pieces = [(cut_segment(Segment(*ends), voice, longest), number) for number, ends in enumerate(segments)]
    return [Part(piece.start, piece.end, number) for of_segment, number in pieces for piece in of_segment]


def shares(parts):
    seconds = [sum(part.seconds for part in parts if part.split == split) for split in SPLITS]
    return np.array(seconds) / sum(seconds)


def check_apart(parts):
    """No moment is in two splits, nor within a gap of both; parts come in the order of time."""
    for one, other in pairwise(parts):
        assert other.start - one.end >= (GAP - 1e-6 if one.split != other.split else 0)


def test_the_gap_is_wider_than_the_audio_context():
    widest = max(settings.left_context / settings.sample_rate for settings in FEATURE_PRESETS.values())
    assert 2 * widest < GAP


def test_twenty_seconds_without_a_pause():
    parts = divide(parts_of([(0, 20)]), least=1.0)
    assert [part.split for part in parts] == list(SPLITS)
    check_apart(parts)
    assert min(part.seconds for part in parts) > 1 and sum(part.seconds for part in parts) == pytest.approx(
        20 - 2 * GAP
    )
    assert parts[0].start == 0 and parts[-1].end == 20 and shares(parts)[0] > 0.7


@pytest.mark.parametrize("seed", range(20))
def test_recordings_with_pauses_are_divided_near_80_10_10(seed):
    generator = np.random.default_rng(seed)
    ends = np.cumsum(generator.uniform(0.05, 15, 80).reshape(-1, 2) * [0.2, 1], axis=None).reshape(-1, 2)
    segments = [ends for ends in ends.tolist() if ends[1] - ends[0] >= 1]
    parts = divide(parts_of(segments), least=1.0)
    check_apart(parts)
    np.testing.assert_allclose(shares(parts), [0.8, 0.1, 0.1], atol=0.03)
    for part in parts:
        start, end = segments[part.piece_of]
        assert start - 1e-9 <= part.start < part.end <= end + 1e-9


def test_an_hour_has_blocks_of_each_split_all_along():
    parts = divide(parts_of([(20 * n, 20 * n + 19) for n in range(180)]), least=1.0)
    check_apart(parts)
    np.testing.assert_allclose(shares(parts), [0.8, 0.1, 0.1], atol=0.01)
    for split in SPLITS:
        starts = [part.start for part in parts if part.split == split]
        assert min(starts) < 600 and max(starts) > 3000 and max(np.diff(starts)) < 400


def test_intervals_by_hand_are_not_cut_but_for_the_gap():
    touching = [Part(3.0 * n, 3.0 * n + 3, n) for n in range(10)]
    parts = divide(touching, least=0.2)
    check_apart(parts)
    assert [part.piece_of for part in parts] == list(range(10))
    assert [part.split for part in parts] == ["train"] * 8 + ["validation", "test"]
    assert sum(part.seconds for part in parts) == pytest.approx(30 - 2 * GAP)
    apart = [Part(4.0 * n, 4.0 * n + 3, n) for n in range(10)]
    assert [(part.start, part.end) for part in divide(apart, least=0.2)] == [(part.start, part.end) for part in apart]


@pytest.mark.parametrize("ends", [[(0, 30), (30, 60)], [(0, 100)], [(0, 0.7), (0.7, 1.4), (1.4, 2.1)], []])
def test_too_few_or_too_short_parts_are_left_as_they_are(ends):
    parts = [Part(*pair, number) for number, pair in enumerate(ends)]
    assert divide(parts, least=0.5) == parts
