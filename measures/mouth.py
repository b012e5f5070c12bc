"""The motion of the mouth: its principal components, and how well generated motion follows the real one.

Faces are uint8 RGB [shape=(frames, size, size, 3)] throughout; lists hold one array per clip.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np

from preprocessing.faces.alignment import mouth_slices
from runtime.array_file import ArrayFile
from runtime.progress import with_progress

COMPONENTS = 5  # of mouth motion; on GRID s1 they hold about 60 % of its variance
FIT_FRAMES = 20000  # about so many frames decide the components
SPARE = 10  # directions more than components, which make the iteration converge fast
ITERATIONS = 12
LARGEST_LAG = 5  # frames
LAGS = range(-LARGEST_LAG, LARGEST_LAG + 1)
FOLLOWING = 0.5  # correlation on held-out clips below which a mouth does not follow the speech
MARGIN = 0.1  # by which that is to exceed the correlation with the motion of other sentences
OTHERS = 5  # sentences that each is compared with
STILL = 1e-4  # standard deviation along a component below which nothing moves; real mouths reach 1


def mouth_motion(faces: np.ndarray | ArrayFile) -> np.ndarray:
    """Pixels of the mouth box in 0..1 less their mean over the clip [shape=(frames, pixels)]."""
    mouth = _mouth(faces).astype(np.float32) / 255
    return mouth - mouth.mean(axis=0)


def _mouth(faces: np.ndarray | ArrayFile) -> np.ndarray:
    """Pixels of the mouth box [shape=(frames, pixels)]."""
    rows, columns = mouth_slices(faces.shape[1])
    return np.asarray(faces[:, rows, columns]).reshape(len(faces), -1)


@dataclass(frozen=True)
class MouthComponents:
    """Principal components of real mouth motion, each clip's mean removed.

    Attributes:
        basis: orthonormal directions, the strongest first [shape=(COMPONENTS, pixels)].
    """

    basis: np.ndarray

    @classmethod
    def fit(cls, clips: Sequence[Any]) -> Self:
        """The components of the real faces of some clips (objects with `.faces`).

        They are found by subspace iteration (Halko, Martinsson and Tropp 2011): the covariance of thousands of pixels,
        of whose eigenvectors five are wanted, is never made.
        """
        every = max(1, sum(len(clip.faces) for clip in clips) // FIT_FRAMES)
        mouths = []
        for clip in with_progress(clips, "clip", "reading mouths"):
            mouth = _mouth(clip.faces)
            mouths.append((mouth[::every].copy(), mouth.mean(axis=0, dtype=np.float32)))
        pixels = mouths[0][0].shape[1]
        images = np.random.default_rng(0).normal(size=(pixels, min(COMPONENTS + SPARE, pixels))).astype(np.float32)
        for _ in with_progress(range(ITERATIONS), "iteration", "components of the mouth"):
            subspace, _ = np.linalg.qr(np.float64(images))
            images = np.zeros_like(images)
            for mouth, mean in mouths:
                motion = (mouth - mean) / np.float32(255)
                images += motion.T @ (motion @ np.float32(subspace))
        _, turn = np.linalg.eigh(subspace.T @ images)
        return cls((subspace @ turn)[:, : -COMPONENTS - 1 : -1].T.astype(np.float32))

    def transform(self, faces: np.ndarray | ArrayFile) -> np.ndarray:
        """Position of each frame along each component, the clip's mean removed [shape=(frames, COMPONENTS)]."""
        return mouth_motion(faces) @ self.basis.T


def mouth_measures(
    real: Sequence[np.ndarray], generated: Sequence[np.ndarray], numbers: Sequence[np.ndarray | None] | None = None
) -> dict[str, float | None]:
    """How well generated mouth motion follows the real one, pooled over all frames.

    Args:
        real: positions along the components, one array per clip [shape=(frames, COMPONENTS) each].
        generated: the same of the generated faces.
        numbers: `frames.frame_numbers` of each clip; None for clips without dropped frames.

    Returns:
        dictionary: `correlation` (Pearson, first component), `amplitude` (ratio of its standard deviations),
        `explained_variance` (share of the real variance within all components), `best_lag` (frames by which the
        generated motion comes late). None for what does not exist where nothing moves.
    """
    numbers = numbers or [None] * len(real)
    sums = sum(mouth_sums(*of_clip) for of_clip in zip(real, generated, numbers, strict=True))
    return {name: None if np.isnan(value) else float(value) for name, value in measures_of_sums(sums).items()}


def mouth_sums(real: np.ndarray, generated: np.ndarray, numbers: np.ndarray | None = None) -> np.ndarray:
    """What `mouth_measures` needs of one clip; arguments as there. It adds up over clips.

    Returns:
        `pair_sums` along the first component of real frame t and generated frame t + lag, where both are there, for
        each lag from -LARGEST_LAG to LARGEST_LAG, and of all components without lag [shape=(2 * LARGEST_LAG + 2, 6)].
    """
    numbers = np.arange(len(real)) if numbers is None else numbers
    sums = []
    for lag in LAGS:
        _, now, later = np.intersect1d(numbers + lag, numbers, assume_unique=True, return_indices=True)
        sums.append(pair_sums(real[now, 0], generated[later, 0]))
    return np.stack([*sums, pair_sums(real, generated)])


def swapped_sums(real: Sequence[np.ndarray], generated: Sequence[np.ndarray]) -> list[np.ndarray]:
    """`mouth_sums` of each clip's real motion and of what was generated for other sentences, moment by moment.

    People rest, speak and rest again, so that any sentence's motion resembles any other's. How well the motion of the
    clip's own speech fits better than that is what tells whether a mouth follows its speech.

    Args:
        real: positions along the components, one array per clip [shape=(frames, COMPONENTS) each].
        generated: the same of the generated faces.

    Returns:
        one array per clip, as `mouth_sums`, over up to OTHERS clips that come next; zeros where there is one clip.
    """
    count = len(real)
    sums = []
    for place, positions in enumerate(real):
        of_clip = np.zeros((len(LAGS) + 1, 6))
        for step in range(1, min(OTHERS, count - 1) + 1):
            other = generated[(place + step) % count]
            shared = min(len(positions), len(other))
            of_clip += mouth_sums(positions[:shared], other[:shared])
        sums.append(of_clip)
    return sums


def measures_of_sums(sums: Any) -> dict[str, np.ndarray]:
    """`mouth_measures` of sums of `mouth_sums` [shape=(..., 2 * LARGEST_LAG + 2, 6)].

    Returns:
        as there, arrays [shape=(...)], NaN for what does not exist.
    """
    by_lag = correlation_of_sums(sums[..., :-1, :])
    (x, y), (all_x, _) = (deviations_of_sums(sums[..., row, :]) for row in (LARGEST_LAG, -1))
    _, _, _, of_real, of_generated, of_both = np.moveaxis(sums[..., -1, :], -1, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return {
            "correlation": by_lag[..., LARGEST_LAG],
            "amplitude": np.where(x >= STILL, y / x, np.nan),
            "explained_variance": np.where(all_x >= STILL, (2 * of_both - of_generated) / of_real, np.nan),
            "best_lag": np.where(by_lag.max(axis=-1) > 0, by_lag.argmax(axis=-1) - LARGEST_LAG, np.nan),
        }


def correlation(x: np.ndarray, y: np.ndarray) -> float:
    """Pearson's; 0 where one of the two does not vary."""
    return float(correlation_of_sums(pair_sums(x, y)))


def pair_sums(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Number of pairs, and sums of x, y, x^2, y^2 and x y, which add up over clips: float64 [shape=(6,)]."""
    x, y = (np.asarray(values, np.float64).ravel() for values in (x, y))
    return np.array([len(x), x.sum(), y.sum(), x @ x, y @ y, x @ y])


def deviations_of_sums(sums: np.ndarray) -> np.ndarray:
    """Standard deviations of x and y from their `pair_sums` [shape=(..., 6)] -> [shape=(2, ...)]; 0 of nothing."""
    count, *firsts = np.moveaxis(sums[..., :5], -1, 0)
    count = np.maximum(count, 1)
    return np.sqrt([np.maximum(firsts[2 + side] / count - (firsts[side] / count) ** 2, 0) for side in range(2)])


def correlation_of_sums(sums: np.ndarray) -> np.ndarray:
    """Pearson's correlation from `pair_sums` [shape=(..., 6)] -> [shape=(...)]; 0 where one does not vary."""
    count, of_x, of_y, _, _, of_both = np.moveaxis(sums, -1, 0)
    x, y = deviations_of_sums(sums)
    known = (count > 1) & (np.minimum(x, y) >= STILL)
    count = np.maximum(count, 1)
    return np.where(known, (of_both / count - of_x * of_y / count**2) / np.where(known, x * y, 1), 0.0)
