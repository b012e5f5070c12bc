"""The motion of the mouth: its principal components, and how well generated motion follows the real one.

Faces are uint8 RGB [shape=(frames, size, size, 3)] throughout; lists hold one array per clip.
"""

from dataclasses import dataclass

import numpy as np

from preprocessing.alignment import mouth_slices

COMPONENTS = 5  # of mouth motion; on GRID s1 they hold about 60 % of its variance
FIT_FRAMES = 20000  # at most so many frames decide the components
LARGEST_LAG = 5  # frames
STILL = 1e-4  # standard deviation along a component below which nothing moves; real mouths reach 1


def mouth_motion(faces):
    """Pixels of the mouth box in 0..1 less their mean over the clip [shape=(frames, pixels)]."""
    rows, columns = mouth_slices(faces.shape[1])
    mouth = np.asarray(faces[:, rows, columns], np.float32).reshape(len(faces), -1) / 255
    return mouth - mouth.mean(axis=0)


@dataclass(frozen=True)
class MouthComponents:
    """Principal components of real mouth motion, each clip's mean removed.

    Attributes:
        basis: orthonormal directions, the strongest first [shape=(COMPONENTS, pixels)].
    """

    basis: np.ndarray

    @classmethod
    def of(cls, clips):
        """The components of the real faces of some clips (objects with `.faces`)."""
        every = max(1, sum(len(clip.faces) for clip in clips) // FIT_FRAMES)
        covariance = 0.0
        for clip in clips:
            motion = mouth_motion(clip.faces)[::every]
            covariance = covariance + motion.T @ motion
        _, vectors = np.linalg.eigh(covariance)
        return cls(vectors[:, : -COMPONENTS - 1 : -1].T)

    def of_faces(self, faces):
        """Position of each frame along each component, the clip's mean removed [shape=(frames, COMPONENTS)]."""
        return mouth_motion(faces) @ self.basis.T


def mouth_measures(real, generated, numbers=None):
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
    x, y = np.concatenate(real), np.concatenate(generated)
    lags = range(-LARGEST_LAG, LARGEST_LAG + 1)
    numbers = numbers or [np.arange(len(clip)) for clip in real]
    by_lag = [_lagged_correlation(real, generated, numbers, lag) for lag in lags]
    return {
        "correlation": correlation(x[:, 0], y[:, 0]),
        "amplitude": float(y[:, 0].std() / x[:, 0].std()) if x[:, 0].std() >= STILL else None,
        "explained_variance": float(1 - ((x - y) ** 2).sum() / (x**2).sum()) if x.std() >= STILL else None,
        "best_lag": lags[int(np.argmax(by_lag))] if max(by_lag) > 0 else None,
    }


def correlation(x, y):
    """Pearson's; 0 where one of the two does not vary."""
    if len(x) < 2 or min(x.std(), y.std()) < STILL:
        return 0.0
    return float(np.mean((x - x.mean()) * (y - y.mean())) / (x.std() * y.std()))


def _lagged_correlation(real, generated, numbers, lag):
    """Correlation of the first component of generated frame t + lag with real frame t, where both frames are there."""
    x, y = [], []
    for of_real, of_generated, of_clip in zip(real, generated, numbers, strict=True):
        _, now, later = np.intersect1d(of_clip + lag, of_clip, assume_unique=True, return_indices=True)
        x.append(of_real[now, 0])
        y.append(of_generated[later, 0])
    return correlation(np.concatenate(x), np.concatenate(y))
