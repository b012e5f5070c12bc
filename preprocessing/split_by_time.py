"""Splits of what comes from one continuous recording: blocks in time, far enough apart to share no moment.

A face is learned with the sound around it, and the mouth takes shape before it sounds. Neighbours in time that stood in
different splits would therefore share what is to be kept apart.
"""

from dataclasses import dataclass, replace
from itertools import groupby, pairwise

import numpy as np

GAP = 0.6  # seconds between blocks: the widest feature map spans .263 s to each side, a mouth moves .3 s ahead
DIVIDED_FROM = 20.0  # seconds of a recording that gives all three splits
TOLERANCE = 0.5  # seconds that a recording of DIVIDED_FROM may be shorter: the last frame ends before the sound does
ROUND = 300.0  # seconds kept of a recording after which its blocks begin anew, so that none is far from the others
SHARES = (0.1, 0.15, 0.2, 0.25, 0.3)  # of validation, and of test: the first that leaves each a part
GAP_REASON = f"gap of {GAP:g} s between splits"


@dataclass(frozen=True)
class Part:
    """A part of a recording that becomes a clip.

    Attributes:
        start: in seconds of the recording.
        end: in seconds of the recording.
        piece_of: what it may be joined with again: parts of the same number that touch; its position, in other cases.
        split: "train", "validation" or "test", or None where the recording is too short for all three.
    """

    start: float
    end: float
    piece_of: int
    split: str | None = None

    @property
    def seconds(self) -> float:
        """How long it is."""
        return self.end - self.start


def divide(parts: list[Part], least: float) -> list[Part]:
    """Divides the parts of one recording among the splits, in blocks of time: 80 % train, 10 % validation, 10 % test.

    Between two blocks GAP is left out, at the cost of the longer of the two parts. Touching parts with the same
    `piece_of` in one block become one again.

    Args:
        parts: `Part`s in the order of time, without overlap.
        least: seconds; a part that the gap leaves shorter is left out.

    Returns:
        the parts with their splits; as they were, without a split, where they are too few or too short for three.
    """
    parts = sorted(parts, key=lambda part: part.start)
    for share in SHARES:
        divided = _separate(_joined(_allot(parts, share)), least)
        if len({part.split for part in divided}) == 3:
            return divided
    return _joined(parts)


def _allot(parts: list[Part], share: float) -> list[Part]:
    """The parts with the splits in which their middles lie, counted in seconds that are kept."""
    lengths = np.array([part.seconds for part in parts])
    rounds = max(1, round(lengths.sum() / ROUND))
    places = (np.cumsum(lengths) - lengths / 2) / max(lengths.sum(), 1e-9) * rounds % 1
    splits = np.select([places < 1 - 2 * share, places < 1 - share], ["train", "validation"], "test")
    return [replace(part, split=str(split)) for part, split in zip(parts, splits, strict=True)]


def _joined(parts: list[Part]) -> list[Part]:
    """The parts, those of one piece and one split in one."""
    groups = [list(group) for _, group in groupby(parts, lambda part: (part.piece_of, part.split))]
    return [replace(group[0], end=group[-1].end) for group in groups]


def _separate(parts: list[Part], least: float) -> list[Part]:
    """The parts that are left when GAP lies between those of different splits."""
    while True:
        ends = [[part.start, part.end] for part in parts]
        for (one, of_one), (other, of_other) in pairwise(zip(parts, ends, strict=True)):
            missing = GAP - (of_other[0] - of_one[1])
            if one.split != other.split and missing > 0:
                if of_one[1] - of_one[0] > of_other[1] - of_other[0]:
                    of_one[1] -= missing
                else:
                    of_other[0] += missing
        cut = [replace(part, start=start, end=end) for part, (start, end) in zip(parts, ends, strict=True)]
        parts = [part for part in cut if part.seconds >= least]
        if len(parts) == len(cut):
            return parts
