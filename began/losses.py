"""BEGAN's losses and its balance, as functions of tensors (Berthelot, Schumm, Metz, arXiv 1703.10717, section 3)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops

SECOND_DIFFERENCE = np.array([1, -2, 1], np.float32)
DETAIL_WINDOW = 5  # pixels of a face of 64, over which detail is compared


def reconstruction_error(faces: Any, reconstructed: Any) -> Any:
    """L(v) = mean |v - D(v)|: what D, an autoencoder, does not get right.

    Args:
        faces: v [batch, size, size, 3] in [-1, 1].
        reconstructed: D(v), same shape.

    Returns:
        error of each face [batch].
    """
    return ops.mean(ops.abs(faces - reconstructed), axis=(1, 2, 3))


def weighted_error(real: Any, generated: Any, weights: np.ndarray) -> Any:
    """The mean of w (x - y)^2, the error of a generated face against the very face that belongs to its speech.

    Args:
        real: x [batch, size, size, 3].
        generated: y, same shape.
        weights: w [size, size, 1], of mean 1.

    Returns:
        error of each face [batch].
    """
    return ops.mean(weights * ops.square(real - generated), axis=(1, 2, 3))


def averaged(faces: Any, factor: int) -> Any:
    """Faces made smaller by a whole factor [batch, size / factor, size / factor, 3]."""
    return ops.average_pool(faces, factor, factor, padding="valid") if factor > 1 else faces


def detail_error(real: Any, generated: Any, part: Callable[[int], tuple[slice, slice]] | None = None) -> Any:
    """Difference of the strength of detail, wherever within a window the detail lies; at full size plus at half.

    Strength is the root mean square of the second difference over DETAIL_WINDOW, down and across apart: lips are edges
    of one direction, and stripes across them do not count for these. The mean of what the speech leaves open has less
    of it than any real face.

    Args:
        real: faces [batch, size, size, 3] in [-1, 1].
        generated: same shape.
        part: function from the size of faces to the rows and columns that are compared; None for all.

    Returns:
        error of each face [batch].
    """
    kernel = np.zeros((3, 3, 3, 2), np.float32)
    kernel[:, 1, :, 0] = kernel[1, :, :, 1] = SECOND_DIFFERENCE[:, None]

    def strength(faces: Any, window: int) -> Any:
        edges = ops.depthwise_conv(faces, kernel, padding="valid")
        return ops.sqrt(ops.average_pool(ops.square(edges), window, 1, padding="valid") + 1e-4)

    error = 0.0
    for factor in (1, 2):
        size = real.shape[1] // factor
        rows, columns = part(size) if part else (slice(None), slice(None))
        window = max(1, round(DETAIL_WINDOW * size / 64))
        of_both = (strength(averaged(faces, factor)[:, rows, columns], window) for faces in (real, generated))
        error = error + ops.mean(ops.abs(ops.subtract(*of_both)), axis=(1, 2, 3))
    return error


def updated_k(
    k: Any, real_error: Any, generated_error: Any, gamma: float, lambda_k: float, smallest: float = 0.0
) -> Any:
    """The next k, k + lambda_k (gamma L(x) - L(G(z))) within [smallest, 1]: proportional control (equation 4 there).

    Args:
        k: the weight of generated faces in D's loss: what D may spend on G.
        real_error: L(x), mean of the batch.
        generated_error: L(G(z)), mean of the batch.
        gamma: the ratio L(G(z)) / L(x) that the control aims at; lower is sharper and less diverse.
        lambda_k: gain of the control per step.
        smallest: 0 in the paper.
    """
    return ops.clip(k + lambda_k * (gamma * real_error - generated_error), smallest, 1.0)


def global_convergence(real_error: Any, generated_error: Any, gamma: float) -> Any:
    """M_global = L(x) + |gamma L(x) - L(G(z))|: falls as long as the whole learns."""
    return real_error + ops.abs(gamma * real_error - generated_error)


def code_distance(code: Any, other: Any) -> Any:
    """Mean |c - c'| of two codes [batch, code_size] -> [batch]."""
    return ops.mean(ops.abs(code - other), axis=-1)


@ops.custom_gradient
def scale_gradient(x: Any, scale: Any) -> tuple[Any, Callable[..., tuple[Any, Any]]]:
    """Gives x itself, whose gradient is multiplied by `scale` on the way back."""

    def gradient(*arguments: Any, upstream: Any = None) -> tuple[Any, Any]:
        (upstream,) = (upstream,) if upstream is not None else arguments
        return upstream * ops.cast(scale, upstream.dtype), ops.zeros_like(scale)

    return x, gradient
