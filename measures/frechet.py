"""The Frechet distance between two sets of features (Heusel et al. 2017, section 4)."""

import numpy as np


def frechet_distance(one: np.ndarray, other: np.ndarray) -> float:
    """Squared distance of the normal distributions that have the means and covariances of two sets.

    A generator whose pictures are the mean of all likely ones has too small a covariance: its distance stays large,
    however small its squared error.

    Args:
        one: features of pictures [shape=(n, features)].
        other: features of others [shape=(m, features)].
    """
    means = one.mean(axis=0) - other.mean(axis=0)
    covariances = [np.atleast_2d(np.cov(features, rowvar=False)) for features in (one, other)]
    values, vectors = np.linalg.eigh(covariances[0])
    root = (vectors * np.sqrt(np.maximum(values, 0))) @ vectors.T
    shared = np.sqrt(np.maximum(np.linalg.eigvalsh(root @ covariances[1] @ root), 0)).sum()
    return float(means @ means + np.trace(covariances[0]) + np.trace(covariances[1]) - 2 * shared)
