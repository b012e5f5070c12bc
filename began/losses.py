"""BEGAN's losses and its balance, as functions of tensors (Berthelot, Schumm, Metz, arXiv 1703.10717, section 3)."""

from collections.abc import Callable
from typing import Any

import numpy as np
from keras import ops


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
