"""From signed scores of frames to one decision per clip: which side is the usual one, and who is surely on the other.

A mirrored clip has the score of the unmirrored one with the other sign. So the scores of clips, mirrored or not, lie in
two groups at +typical and -typical. The threshold follows from their distance and spread; where two groups explain the
scores no better than one around zero, no clip is decided.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.ndimage import uniform_filter1d
from scipy.special import expit

KEPT, MIRRORED, UNDECIDED = "kept", "mirrored", "undecided"

ODDS = 100  # to one: what counts as sure, for the two groups and for a clip's being in one of them
SMOOTHING_SECONDS = 0.4  # running mean of the scores of frames
LEAST_SHARE = 0.25  # of the typical score: nearer to zero, a clip is like neither group, however narrow they are
AGREEMENT = 0.8  # share of a clip's frames that must be on one side


@dataclass(frozen=True)
class Groups:
    """Two groups of scores, one the other's mirror image.

    Attributes:
        typical: distance of either group's middle from zero.
        spread: standard deviation in a group, of clips and of the frames in a clip.
        gain: how much likelier two groups are than one around zero, as a natural logarithm.
    """

    typical: float
    spread: float
    gain: float

    @property
    def threshold(self) -> float:
        """Score beyond which a clip is in one group at ODDS to one; infinite where there are no two groups."""
        if not self.typical or self.gain < np.log(ODDS):
            return np.inf
        threshold = self.spread**2 * np.log(ODDS) / (2 * self.typical)
        return max(threshold, LEAST_SHARE * self.typical) if threshold < self.typical else np.inf


@dataclass(frozen=True)
class Decisions:
    """What was decided.

    Attributes:
        of_clips: KEPT, MIRRORED or UNDECIDED for each clip.
        scores: for each clip those of its frames [shape=(frames,)], positive on the usual side.
        groups: the two groups.
        why: a line on the threshold and how it was found.
    """

    of_clips: list
    scores: list
    groups: Groups
    why: str


def decide(scores: list[np.ndarray], frame_rate: Any, least_spread: float = 0.0) -> Decisions:
    """Decides for each clip as a whole.

    Args:
        scores: for each clip signed scores of its frames [shape=(frames,)].
        frame_rate: frames per second.
        least_spread: error of a clip's score that its frames do not show, added to the spread.

    Returns:
        `Decisions`. The usual side is that of most decided clips; without a majority all are undecided.
    """
    groups = find_groups(scores, least_spread)
    threshold = groups.threshold
    sides = np.array([side_of_clip(of_frames, threshold, frame_rate) for of_frames in scores])
    majority = np.sign(sides.sum())
    if not np.isfinite(threshold):
        why = f"none: the scores do not lie in two groups (typical {groups.typical:.3f}, spread {groups.spread:.3f})"
    elif not majority:
        why, sides = f"{threshold:.3f}, but as many clips are on one side as on the other", np.zeros_like(sides)
    else:
        why = (
            f"{threshold:.3f}: beyond it a clip is on its side at {ODDS} to one or better "
            f"(two groups at +-{groups.typical:.3f}, spread {groups.spread:.3f})"
        )
    turn = majority or np.sign(sum(np.sign(np.median(of_frames)) for of_frames in scores)) or 1
    names = {1: KEPT, -1: MIRRORED, 0: UNDECIDED}
    return Decisions(
        [names[int(side)] for side in sides * turn], [of_frames * turn for of_frames in scores], groups, why
    )


def find_groups(scores: list[np.ndarray], least_spread: float = 0.0) -> Groups:
    """Fits two mirror-image normal distributions to the clips' median scores by expectation-maximisation.

    Args:
        scores: as in `decide`, of two clips or more.
        least_spread: as in `decide`.

    Returns:
        `Groups`.
    """
    clips = np.array([np.median(of_frames) for of_frames in scores])
    noise = np.median([np.var(of_frames) for of_frames in scores]) + least_spread**2 + 1e-12
    typical, share = np.abs(clips).mean(), 0.5
    for _ in range(100):
        between = max((clips**2).mean() - typical**2, 1e-12)
        in_positive = expit(2 * typical * clips / between + np.log(share / (1 - share)))
        typical = abs((clips * (2 * in_positive - 1)).mean())
        share = np.clip(in_positive.mean(), 0.5 / len(clips), 1 - 0.5 / len(clips))  # of the group at +typical
    between = max((clips**2).mean() - typical**2, 0) * len(clips) / (len(clips) - 1)
    spread = np.sqrt(between + noise)
    positive = np.log(share) + _log_normal(clips - typical, spread)
    negative = np.log(1 - share) + _log_normal(clips + typical, spread)
    around_zero = _log_normal(clips, np.sqrt((clips**2).mean() + noise))
    gain = (np.logaddexp(positive, negative) - around_zero).sum()
    return Groups(float(typical), float(spread), float(gain))


def _log_normal(x: np.ndarray, spread: float) -> np.ndarray:
    """Logarithm of the normal density, but for its constant."""
    return -0.5 * (x / spread) ** 2 - np.log(spread)


def side_of_clip(scores: np.ndarray, threshold: float, frame_rate: int) -> int:
    """The side of a clip: 1 or -1 where most of its frames (AGREEMENT) are on it, or 0.

    A frame is on a side from where the smoothed score passes the threshold, and stays there, in spite of lower scores,
    until it passes the other side's.
    """
    smooth = uniform_filter1d(scores, max(1, round(SMOOTHING_SECONDS * frame_rate)), mode="nearest")
    passed = np.where(np.abs(smooth) > threshold, np.sign(smooth), 0)
    last = np.maximum.accumulate(np.where(passed != 0, np.arange(len(passed)), 0))
    states = passed[last]
    for side in (1, -1):
        if (states == side).mean() >= AGREEMENT:
            return side
    return 0
