"""Networks run over many frames."""

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

BATCH = 64  # frames that a network takes at once


def without_xla(network: keras.Model) -> keras.Model:
    """The network, which TensorFlow runs without XLA: on a processor that is faster. Under JAX it stays as it is."""
    if keras.backend.backend() == "tensorflow":
        network.jit_compile = False
    return network


def in_batches(network: Callable[[Any], Any], *inputs: np.ndarray) -> np.ndarray:
    """What a network makes of its inputs, computed BATCH at a time.

    The network always sees BATCH of them, so that it is traced once and one does not depend on how many there are.

    Args:
        network: function from an array, or a list of some, to an array.
        inputs: float32 arrays of the same length.

    Returns:
        array of that length.
    """
    made = []
    for first in range(0, len(inputs[0]), BATCH):
        parts = [part[first : first + BATCH] for part in inputs]
        count = len(parts[0])
        padded = [np.concatenate([part, np.zeros((BATCH - count, *part.shape[1:]), np.float32)]) for part in parts]
        made.append(np.asarray(network(padded if len(padded) > 1 else padded[0]))[:count])
    return np.concatenate(made)
