"""A process of a distributed run, as tests start it: trains, and notes what its steps did.

python -m tests.distributed_training SETTINGS DATASET RUN NOTES [KILL_AT]

SETTINGS: of a `BeganConfig`, as JSON. NOTES: npz file to write. KILL_AT: step before which the process kills itself.
With LOGICAL_DEVICES in the environment it has so many CPU devices.
"""

import json
import os
import signal
import sys

import numpy as np
import pytest

from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.program import program


class Noting:
    """Devices that note k and the error of each step, Adam's moments after the first, and the state after the last."""

    def __init__(self, devices, kill_at=None):
        self.devices, self.kill_at, self.notes = devices, kill_at, {"k": [], "real_error": []}

    def __getattr__(self, name):
        return getattr(self.devices, name)

    def spread(self, model, make):
        self.done = self.notes["first"] = int(model.steps_done.numpy())
        return self.devices.spread(model, make)

    def step(self, learner, batch):
        if self.done == self.kill_at:
            os.kill(os.getpid(), signal.SIGKILL)
        values = self.devices.step(learner, batch)
        self.done += 1
        moments = flat([variable for variable in learner.optimizer.variables if variable.path.endswith("momentum")])
        self.notes.setdefault("first_moments", moments)
        self.notes["k"].append(learner.adversary.k.numpy())
        self.notes["real_error"].append(float(values["real_error"]))
        self.notes["weights"], self.notes["moments"] = flat(learner.trainable_variables), moments
        return values


def flat(variables):
    return np.concatenate([variable.numpy().ravel() for variable in variables])


def train_noted(config, dataset, run, kill_at=None):
    """Trains a BEGAN without drawing, which would take longer than the rest; returns the notes as arrays."""
    from began import training
    from measures.mouth import MouthComponents

    opened, kept, computed = training.open_devices, [], []
    of_clips = MouthComponents.fit

    def open_noting(*arguments):
        kept.append(Noting(opened(*arguments), kill_at))
        return kept[0]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(training, "open_devices", open_noting)
        patch.setattr(MouthComponents, "fit", lambda clips: computed.append(0) or of_clips(clips))
        patch.setattr(training, "draw_rows", lambda *_, **__: np.zeros((1, 1, 3), np.uint8))
        patch.setattr(training, "draw_curves", lambda *_: None)
        training.train_began(config, dataset, run)
    notes = kept[0].notes | {"computed": len(computed)}
    return {name: np.array(value) for name, value in notes.items()}


@program
def main():
    from began.config import BeganConfig

    settings, dataset, run, target, *kill_at = sys.argv[1:]
    if count := int(os.environ.get("LOGICAL_DEVICES", 0)):
        import tensorflow as tf

        cpu = tf.config.list_physical_devices("CPU")[0]
        tf.config.set_logical_device_configuration(cpu, [tf.config.LogicalDeviceConfiguration()] * count)
    config = BeganConfig.from_json(json.loads(settings))
    np.savez(target, **train_noted(config, open_dataset(dataset), run, int(kill_at[0]) if kill_at else None))


if __name__ == "__main__":
    import_keras()
    sys.exit(main())
