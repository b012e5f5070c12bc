"""The training loop of every trainable: resume, steps, learning rate, validations, best and last weights.

A `Task` says what differs from one trainable to another; `train` does what is the same.
"""

import contextlib
import math
import sys
import time
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, ClassVar

import keras
import numpy as np

from runtime.ahead import ahead
from runtime.program import peak_memory
from runtime.progress import progress
from training.checkpoints import BEST, keep_checkpoint, open_checkpoint, save_weights
from training.config import TrainingConfig
from training.devices import Devices, OneDevice
from training.metrics_log import MetricsLog
from training.run_folder import DivergenceError, seed_layers
from training.schedule import learning_rate
from training.trainable import Batch, Trainable

OF_LOOP = ("learning_rate", "steps_per_second", "loading_share")  # columns of metrics.csv that the loop fills itself
AHEAD = 2  # batches that wait to be used
CHECKED = 50  # steps after which the losses are read, at the latest

Picture = Callable[[Path], np.ndarray]  # writes a PNG and gives it as uint8 RGB [shape=(height, width, 3)]


class Task(ABC):
    """What a trainable adds to the loop: its model, the batch of a step, its validation, which one is better.

    Attributes:
        settings: how long and how fast it trains.
    """

    description: ClassVar[str] = "training"  # what the progress bar says
    measured: ClassVar[tuple[str, ...]] = ()  # names of the values that `validate` gives, columns of metrics.csv
    best: ClassVar[tuple[str, str] | None] = None  # the measure that decides, "min" or "max"; None: the last step does
    beta_1: ClassVar[float] = 0.9  # Adam's
    clipping: float | None = None  # of the norm of all gradients

    settings: TrainingConfig

    @abstractmethod
    def build(self, **options: Any) -> Trainable:
        """Makes the model, whose networks have the global precision; `options` are those of `Trainable`."""

    @abstractmethod
    def prepare(self) -> None:
        """Makes what batches and validations need; called once, where there are steps to take."""

    @abstractmethod
    def batch(self, step: int) -> Batch:
        """The batch of a step, a function of its number alone; called in another thread."""

    @abstractmethod
    def validate(self, model: Trainable) -> tuple[dict[str, float | None], Mapping[str, Picture]]:
        """Measures a model on validation clips.

        Returns:
            (values, pictures): those that `measured` names, and by name what draws pictures of what was found.
        """

    @abstractmethod
    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """Writes a PNG with curves of the rows of a `MetricsLog`."""

    def validate_before(self) -> dict[str, float | None] | None:
        """What is measured before the first step, where there is something to compare with."""
        return None

    def learning_rate(self, step: int, rows: list[dict[str, Any]]) -> float:
        """The learning rate of a step, by its number and by the rows that were logged before it."""
        return learning_rate(self.settings, step)

    def begin_step(self, model: Trainable, step: int) -> None:
        """Sets what depends on the number of the step."""
        model.begin_step(step)

    def warnings(self, rows: list[dict[str, Any]]) -> list[str]:
        """What the user should know early, by the rows logged so far."""
        return []

    def new_model(self, precision: str | None = None, **options: Any) -> Trainable:
        """A compiled model that has learned nothing, its optimiser built.

        Args:
            precision: of its networks; that of the settings if None.
            options: as for `build`.
        """
        keras.utils.set_random_seed(self.settings.seed)
        keras.config.set_dtype_policy(precision or self.settings.precision)
        try:
            model = self.build(**options)
        finally:
            keras.config.set_dtype_policy("float32")
        jit_compile = "auto" if keras.backend.backend() == "jax" else False  # on TensorFlow's CPU XLA is slower
        optimizer = keras.optimizers.Adam(self.settings.learning_rate, self.beta_1, global_clipnorm=self.clipping)
        model.compile(optimizer, jit_compile=jit_compile)
        model.optimizer.build(model.trainable_variables)  # or loading would leave out the moments
        return model


def train(task: Task, run_dir: Path, devices: Devices | None = None) -> Trainable:
    """Takes the steps of a run that are left.

    A run folder holds checkpoint.weights.h5 (weights, moments and step, of the last validation), previous.weights.h5
    (of the one before), best.weights.h5 if the task has a measure that decides, metrics.csv, curves.png, samples/,
    tensorboard/, and warnings.txt where there was reason. The same settings, data and machine give the same weights,
    interrupted or not.

    Args:
        task: what is trained.
        run_dir: folder of the run, which this process holds (`run_folder.open_run`).
        devices: of `devices.open_devices`; None is one.

    Returns:
        the model with the weights of the last step.

    Raises:
        DivergenceError: a loss, a weight or a measure is NaN or infinite.
        InputError: both checkpoints are damaged.
    """
    settings, devices = task.settings, devices or OneDevice()
    model = open_checkpoint(run_dir, task.new_model)
    first = int(model.steps_done)
    devices.agree("step to start from", first)
    if first >= settings.steps:
        return model
    task.prepare()
    learner = devices.spread(model, task.new_model)
    log = MetricsLog(run_dir, (*model.watched, *task.measured, *OF_LOOP), first, writes=devices.chief)
    if devices.chief and not log.rows and (before := task.validate_before()):
        log.add(0, dict.fromkeys(log.columns[1:]) | before)
    reports, read, since, waited, share = [], [], time.monotonic(), 0.0, 0.0
    steps = range(first, settings.steps)
    batches = ahead((task.batch(step) for step in steps), AHEAD)
    with contextlib.closing(batches), progress(settings.steps, "step", task.description, first) as bar:
        for step in steps:
            requested = time.monotonic()
            batch = next(batches)
            waited += time.monotonic() - requested
            task.begin_step(learner, step)
            seed_layers(learner, settings.seed, step)
            learner.optimizer.learning_rate.assign(task.learning_rate(step, log.rows))
            reports.append(devices.step(learner, batch))
            bar.update(1)
            done = step + 1
            validated = done % settings.evaluate_every == 0 or done == settings.steps
            if validated or len(reports) == CHECKED:
                read += _read(reports, done, log)
                reports.clear()
            if not validated:
                continue
            devices.bring_back(learner, model)
            if not all(np.isfinite(weight).all() for weight in model.get_weights()):
                raise DivergenceError(run_dir, done, log.last_step)
            model.steps_done.assign(done)
            seconds = time.monotonic() - since
            share = waited / seconds
            values = _summary(model, read) | {
                "learning_rate": float(model.optimizer.learning_rate),
                "steps_per_second": len(read) / seconds,
                "loading_share": share,
            }
            if devices.chief:
                measured = _validate(task, run_dir, model, log, done, values)
                if task.best:
                    name = task.best[0]
                    bar.set_postfix_str(f"{name.replace('_', ' ')} {measured[name]:.4g}")
            else:  # what the learning rate follows
                log.add(done, values)
            read, since, waited = [], time.monotonic(), 0.0
    memory = f"{peak_memory() / 1e9:.2f} GB" if peak_memory() else "unknown"
    print(f"peak memory {memory}; loading took {share:.1%} of the last steps' time", file=sys.stderr)
    return model


def _read(reports: list[dict[str, Any]], done: int, log: MetricsLog) -> list[dict[str, float]]:
    """The values of steps as floats, for which the device has to be waited for."""
    values = [{name: float(value) for name, value in report.items()} for report in reports]
    for back, report in enumerate(values):
        if not math.isfinite(report["loss"]):
            raise DivergenceError(log.run_dir, done - len(values) + back + 1, log.last_step)
    return values


def _summary(model: Trainable, reports: list[dict[str, float]]) -> dict[str, float]:
    """Means over steps, or the last value, of what the model watches."""
    values = {name: float(np.mean([report[name] for report in reports])) for name in model.watched}
    return values | {name: reports[-1][name] for name in model.latest}


def _validate(
    task: Task, run_dir: Path, model: Trainable, log: MetricsLog, step: int, values: dict[str, float]
) -> dict[str, Any]:
    """Writes what a validation finds: weights if they are the best, pictures, a row of numbers, a checkpoint."""
    measured, pictures = task.validate(model)
    if task.best:
        name, direction = task.best
        value = measured[name]
        if value is None or not math.isfinite(value):
            raise DivergenceError(run_dir, step, log.last_step)
        if value < log.lowest(name) if direction == "min" else value > log.highest(name):
            save_weights(run_dir / BEST, model)
    drawn = {name: draw(run_dir / "samples" / f"{name}-{step:06d}.png") for name, draw in pictures.items()}
    log.add(step, values | measured)
    for name, picture in drawn.items():
        log.add_picture(step, name, picture)
    task.draw_curves(run_dir / "curves.png", log.rows)
    keep_checkpoint(run_dir, model)
    for line in task.warnings(log.rows):
        print(f"warning: {line}", file=sys.stderr)
        with open(run_dir / "warnings.txt", "a", encoding="utf-8") as file:
            file.write(line + "\n")
    return measured
