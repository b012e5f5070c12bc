"""What every model in training is: networks, and a loss over a batch."""

from collections.abc import Mapping
from typing import Any, ClassVar

import keras

Batch = Mapping[str, Any]  # of arrays or tensors, the first axis of which counts the frames


class Trainable(keras.Model):
    """A Keras model whose batches are dictionaries of arrays.

    A subclass makes its networks in its constructor, generates in `call`, which takes a batch, and computes its loss in
    `compute_loss`, where it reports the values that it names in `watched`.

    Args:
        name: of the model.
        replicas: number of devices that share a step, by which the loss is divided, for gradients are summed over them.

    Attributes:
        steps_done: how many steps were taken, kept in checkpoints (the optimiser's count may be reset).
    """

    watched: ClassVar[tuple[str, ...]] = ("loss",)  # what each step reports and is logged: its mean over the steps
    latest: ClassVar[tuple[str, ...]] = ()  # those of which the last value is logged

    def __init__(self, name: str, replicas: int = 1) -> None:
        super().__init__(name=name, dtype="float32")  # of batches and codes; networks have the global policy
        self.replicas = replicas
        self.steps_done = self.add_scalar("steps_done", 0.0)
        self.trackers = {name: keras.metrics.Mean(name) for name in self.watched if name != "loss"}

    def add_scalar(self, name: str, value: float) -> keras.Variable:
        """Adds a float32 weight that no gradient changes."""
        return add_scalar(self, name, value)

    def report(self, **values: Any) -> None:
        """Notes the values of a step that `watched` names."""
        for name, value in values.items():
            self.trackers[name].update_state(value)

    def begin_step(self, step: int) -> None:
        """Sets what depends on the number of the step."""


def add_scalar(layer: keras.Layer, name: str, value: float) -> keras.Variable:
    """Adds a float32 scalar to a layer that no gradient changes and that is the same on all devices."""
    return layer.add_weight(
        name=name,
        shape=(),
        initializer=keras.initializers.Constant(value),
        trainable=False,
        dtype="float32",
        aggregation="only_first_replica",
    )
