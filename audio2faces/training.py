"""Trains the regressor: data, network, resume, steps, validation, model folder."""

import dataclasses
import time

import keras
import numpy as np

from began.frames import batch_indices
from began.metrics_log import MetricsLog
from began.run_folder import DivergenceError, choose_precision, open_run, seed_layers
from preprocessing.audio_features import FeatureStatistics
from preprocessing.files import whole_file
from preprocessing.pictures import write_png
from preprocessing.program import InputError, progress

from .figures import draw_curves
from .frames import MotionSet
from .model_folder import TalkingFace, save_model
from .regressor import MouthWeightedError, build_regressor
from .validation import Validation

COLUMNS = ("train_loss", "validation_loss", "correlation", "amplitude", "explained_variance", "steps_per_second")


def train_regressor(config, dataset, run_dir):
    """Trains a regressor, or goes on with a run that was interrupted.

    A run folder holds config.json, checkpoint.keras (weights, Adam's moments and the step: the last validation's),
    best.keras (the lowest validation loss), metrics.csv, curves.png, samples/, tensorboard/ and, at the end, model/.
    The same configuration, data and machine give the same weights, interrupted or not.

    Args:
        config: `RegressorConfig`.
        dataset: `preprocessing.dataset.Dataset` with faces of `config.size` pixels.
        run_dir: folder of the run, made where missing.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset has another size or lacks a split, the run folder belongs to another configuration, or
            the loss is no number any more.
    """
    if dataset.size != config.size:
        raise InputError(
            f"{dataset.folder}: faces of {dataset.size} pixels, the model has {config.size}; "
            f"prepare them with --size {config.size}"
        )
    clips = {name: dataset.split(name) for name in ("train", "validation")}
    config = dataclasses.replace(config, precision=choose_precision(config.precision))
    run_dir = open_run(run_dir, {"mode": "audio2faces", "data": dataset.fingerprint, **config.as_json()})
    train = MotionSet(clips["train"], config.feature_settings)
    validation = MotionSet(clips["validation"], config.feature_settings)
    statistics = FeatureStatistics.of(train.maps)
    maps = np.concatenate([statistics.standardise(of_clip) for of_clip in train.maps])
    examine = Validation(train, validation, statistics)

    model = open_network(config, run_dir)
    step = int(model.optimizer.iterations)
    log = MetricsLog(run_dir, COLUMNS, step)
    best = min((float(row["validation_loss"]) for row in log.rows), default=np.inf)
    losses, since = [], time.monotonic()
    with progress(config.steps, "step", "training", start=step) as bar:
        while step < config.steps:
            indices = batch_indices(len(train), config.batch_size, step, config.seed)
            seed_layers(model, config.seed, step)
            losses.append(model.train_on_batch(maps[indices], train.motion(indices)))
            step += 1
            bar.update(1)
            if step % config.evaluate_every == 0 or step == config.steps:
                if not np.isfinite(losses[-1]):
                    raise DivergenceError(run_dir, step, log.last_step)
                rate = len(losses) / (time.monotonic() - since)
                values, picture = examine(model)
                values = {"train_loss": np.mean(losses), **values, "steps_per_second": rate}
                if values["validation_loss"] < best:
                    best = values["validation_loss"]
                    save_network(run_dir / "best.keras", model)
                write_png(run_dir / "samples" / f"step-{step:06d}.png", picture)
                log.add(step, values)
                log.add_picture(step, "real above generated", picture)
                draw_curves(run_dir / "curves.png", log.rows)
                save_network(run_dir / "checkpoint.keras", model)
                bar.set_postfix_str(f"validation loss {values['validation_loss']:.5f}")
                losses, since = [], time.monotonic()
    return write_model(run_dir, config, dataset.frame_rate, statistics, examine.reference, examine.reference_map)


def open_network(config, run_dir):
    """The compiled network: from the run's checkpoint where there is one, else new."""
    checkpoint = run_dir / "checkpoint.keras"
    if checkpoint.exists():
        try:
            return keras.models.load_model(checkpoint)
        except (OSError, ValueError, KeyError) as error:
            raise InputError(f"{checkpoint}: damaged ({error}); remove it to train from the start") from error
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    model = build_regressor(config)
    keras.config.set_dtype_policy("float32")
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
    model.compile(
        keras.optimizers.Adam(schedule), MouthWeightedError(config.size, config.mouth_weight), jit_compile=False
    )
    model.optimizer.build(model.trainable_variables)
    return model


def save_network(path, model):
    """Saves weights, moments and step in one file, whole or not at all."""
    with whole_file(path) as partial:
        model.save(partial)


def write_model(run_dir, config, frame_rate, statistics, reference, reference_map):
    """Writes the model folder from the run's best network, in float32 and without the optimizer; returns its path."""
    network = build_regressor(config)
    network.set_weights(keras.models.load_model(run_dir / "best.keras", compile=False).get_weights())
    name = run_dir.resolve().name
    model = TalkingFace(name, config, frame_rate, statistics, network, reference, reference_map)
    save_model(run_dir / "model", model)
    return run_dir / "model"
