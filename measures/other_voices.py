"""How a face that another voice drives follows the mouth of the person whose voice it is.

The mouths are two people's, so that no pixels can be compared: the opening of the generated one, and its first
component, are set against the first component of the talker's own, which is nearly how far that mouth is open,
whoever's it is. What a mouth does before and after a sentence is a habit that no sound tells; hence also "while
speaking".
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from measures.mouth import MouthComponents, correlation

LOUD = 6.0  # natural logarithms of energy below the loudest of a clip, 26 dB, down to which a frame is speech
LOUDNESS_FLOOR = 8.0  # the same, 35 dB, below which all is equally quiet


def energy_of(maps: np.ndarray) -> np.ndarray:
    """Log energy in the middle of each raw MFCC map [shape=(n, rows, coefficients)] -> [shape=(n,)]."""
    return maps[:, maps.shape[1] // 2, 0]


def speech_span(maps: np.ndarray) -> slice:
    """Frames of a clip from the first to the last loud one, by its raw MFCC maps."""
    energy = energy_of(maps)
    loud = np.flatnonzero(energy > energy.max() - LOUD)
    return slice(int(loud[0]), int(loud[-1]) + 1)


def opening_direction(positions: Sequence[np.ndarray], maps: Sequence[np.ndarray]) -> float:
    """1 where the mouth opens along the first component, else -1: speech is louder where it does.

    Args:
        positions: of a speaker's clips along the components [shape=(frames, COMPONENTS) each].
        maps: their raw MFCC maps.
    """
    energies = [energy_of(of_clip) for of_clip in maps]
    loudness = np.concatenate([np.maximum(energy, energy.max() - LOUDNESS_FLOOR) for energy in energies])
    return -1.0 if correlation(np.concatenate(positions)[:, 0], loudness) < 0 else 1.0


def opening_component(clips: Sequence[Any], maps: Sequence[np.ndarray]) -> Callable[[np.ndarray], np.ndarray]:
    """The function from a speaker's faces to the first component of their mouth motion, positive where open.

    Args:
        clips: of the speaker, objects with `.faces`.
        maps: their raw MFCC maps.
    """
    components = MouthComponents.fit(clips)
    direction = opening_direction([components.transform(clip.faces) for clip in clips], maps)
    return lambda faces: direction * components.transform(faces)[:, 0]


def talker_opening(clips: Sequence[Any], maps: Sequence[np.ndarray]) -> list[np.ndarray]:
    """The first component of a speaker's own mouth motion, positive where open.

    Args:
        clips: of one speaker, objects with `.faces`.
        maps: their raw MFCC maps.

    Returns:
        one array per clip [shape=(frames,)].
    """
    opening = opening_component(clips, maps)
    return [opening(clip.faces) for clip in clips]


def agreement(real: Sequence[np.ndarray], made: Sequence[np.ndarray], spans: Sequence[slice] | None = None) -> float:
    """Pearson's correlation of two curves pooled over clips, each clip's mean removed.

    Args:
        real: one array per clip [shape=(frames,)].
        made: the same.
        spans: frames of each clip that count; None for all.
    """
    spans = spans or [slice(None)] * len(real)
    sides = [
        np.concatenate([of_clip[span] - of_clip[span].mean() for of_clip, span in zip(side, spans, strict=True)])
        for side in (real, made)
    ]
    return correlation(*sides)


def talker_agreement(
    clips: Sequence[Any], maps: Sequence[np.ndarray], opened: Sequence[np.ndarray]
) -> tuple[float, float]:
    """Correlation of a driven face with the talker's own mouth: over whole clips, and while speaking.

    Args:
        clips: of the talker, objects with `.faces`.
        maps: their raw MFCC maps.
        opened: openings of the face that they drive, or its first component [shape=(frames,) each].
    """
    theirs = talker_opening(clips, maps)
    return agreement(theirs, opened), agreement(theirs, opened, [speech_span(of_clip) for of_clip in maps])
