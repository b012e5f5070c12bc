"""Networks run over many frames."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import keras

BATCH = 64  # frames that a network takes at once


def without_xla(network: "keras.Model") -> "keras.Model":
    """The network, which TensorFlow runs without XLA: on a processor that is faster. Under JAX it stays as it is."""
    import keras

    if keras.backend.backend() == "tensorflow":
        network.jit_compile = False
    return network


def in_batches(network: Callable[[Any], Any], *inputs: np.ndarray, padded: bool = True) -> np.ndarray:
    """What a network makes of its inputs, computed BATCH at a time.

    Args:
        network: function from an array, or a list of some, to an array.
        inputs: float32 arrays of the same length.
        padded: the network always sees BATCH of them, so that Keras traces it once and one does not depend on how many
            there are.

    Returns:
        array of that length.
    """
    made = []
    for first in range(0, len(inputs[0]), BATCH):
        parts = [part[first : first + BATCH] for part in inputs]
        count = len(parts[0])
        if padded:
            parts = [np.concatenate([part, np.zeros((BATCH - count, *part.shape[1:]), np.float32)]) for part in parts]
        made.append(np.asarray(network(parts if len(parts) > 1 else parts[0]))[:count])
    return np.concatenate(made)
