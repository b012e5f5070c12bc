"""One training step as a compiled function, whose results stay on the device until somebody reads them.

`keras.Model.train_on_batch` copies them to the host in every step, for which the device has to wait.
"""

from collections.abc import Callable
from typing import Any

import keras

from training.trainable import Batch, Trainable


def compile_step(model: Trainable) -> Callable[[Batch], dict[str, Any]]:
    """The function that trains a compiled model on a batch.

    Args:
        model: whose optimiser is built.

    Returns:
        a function from a batch to the loss and the watched values of the step, scalars by name.
    """
    return (_jax_step if keras.backend.backend() == "jax" else _tensorflow_step)(model)


def _tensorflow_step(model: Trainable) -> Callable[[Batch], dict[str, Any]]:
    import tensorflow as tf

    @tf.function(autograph=False, jit_compile=model.jit_compile)
    def step(batch: Batch) -> dict[str, Any]:
        model.reset_metrics()  # or they would be means over all steps
        return model.train_step(batch)

    return step


def _jax_step(model: Trainable) -> Callable[[Batch], dict[str, Any]]:
    import jax

    train_step = jax.jit(model.train_step, donate_argnums=0)

    def step(batch: Batch) -> dict[str, Any]:
        model.reset_metrics()
        groups = (
            model.trainable_variables,
            model.non_trainable_variables,
            model.optimizer.variables,
            model.metrics_variables,
        )
        values, state = train_step([[variable.value for variable in group] for group in groups], batch)
        for group, new in zip(groups, state, strict=True):
            for variable, value in zip(group, new, strict=True):
                variable.assign(value)
        return values

    return step
