"""Trains the audio VAE: data, network, resume, steps, validation, the folder that keeps its encoder."""

import time

import keras
import numpy as np

from preprocessing.audio_features import FeatureStatistics
from preprocessing.files import whole_file
from preprocessing.pictures import read_png
from preprocessing.program import InputError, progress

from .frames import FrameSet, batch_indices
from .metrics_log import MetricsLog
from .run_folder import as_plain, open_run
from .vae import Vae
from .vae_folder import save_vae
from .vae_pictures import draw_vae_curves
from .vae_validation import VaeValidation

COLUMNS = (
    "train_loss", "validation_loss", "map_error", "mean_map_error", "kl", "active_units", "explained_variance",
    "steps_per_second",
)  # fmt: skip


def train_vae(config, dataset, run_dir):
    """Trains a VAE on the speech of a dataset, or goes on with a run that was interrupted.

    A run folder holds config.json, checkpoint.weights.h5 (weights, Adam's moments and the step: the last validation's),
    best.weights.h5 (the lowest validation loss), metrics.csv, curves.png, samples/, tensorboard/ and, at the end, vae/.
    The same configuration, data and machine give the same weights, interrupted or not.

    Args:
        config: `VaeConfig`.
        dataset: `preprocessing.dataset.Dataset`, its faces of any size.
        run_dir: folder of the run, made where missing.

    Returns:
        path of vae/.

    Raises:
        InputError: the dataset lacks a split or the sound that the features need, the run folder belongs to another
            configuration, or the loss is no number any more.
    """
    clips = {name: dataset.split(name) for name in ("train", "validation")}
    run_dir = open_run(run_dir, {"mode": "vae", "data": dataset.fingerprint, **as_plain(config)})
    train = FrameSet(clips["train"], config.feature_settings)
    validation = FrameSet(clips["validation"], config.feature_settings)
    statistics = FeatureStatistics.of(train.maps)
    maps = np.concatenate([statistics.standardise(of_clip, np.inf) for of_clip in train.maps])

    model = open_vae(config, statistics, run_dir)
    examine = VaeValidation(model, maps, validation, statistics)
    step = int(model.optimizer.iterations)
    log = MetricsLog(run_dir, COLUMNS, step)
    best = min((float(row["validation_loss"]) for row in log.rows), default=np.inf)
    since, first = time.monotonic(), step
    with progress(config.steps, "step", "training", start=step) as bar:
        while step < config.steps:
            indices = batch_indices(len(train), config.batch_size, step, config.seed)
            noise = np.random.default_rng((config.seed, step)).standard_normal(
                (config.batch_size, config.code_size), np.float32
            )
            means = model.train_on_batch({"map": maps[indices], "noise": noise}, return_dict=True)
            step += 1
            bar.update(1)
            if step % config.evaluate_every == 0 or step == config.steps:
                if not np.isfinite(means["loss"]):  # the mean since the last validation
                    raise InputError(
                        f"{run_dir}: the loss is no number after step {step}; the checkpoint before is kept; "
                        "look for NaN in the data, or start a new --run with another --seed"
                    )
                model.reset_metrics()
                rate = (step - first) / (time.monotonic() - since)
                values, seen = examine(model)
                values = {"train_loss": means["loss"], **values, "steps_per_second": rate}
                if values["validation_loss"] < best:
                    best = values["validation_loss"]
                    save_weights(run_dir / "best.weights.h5", model)
                log.add(step, values)
                pictures = {name: run_dir / "samples" / f"{name}-{step:06d}.png" for name in ("maps", "codes")}
                examine.draw(model, seen, *pictures.values())
                for name, path in pictures.items():
                    log.add_picture(step, name, read_png(path))
                draw_vae_curves(run_dir / "curves.png", log.rows)
                save_weights(run_dir / "checkpoint.weights.h5", model)
                explained = f"{100 * values['explained_variance']:.1f} % of the variance explained"
                bar.set_postfix_str(f"validation loss {values['validation_loss']:.2f}, {explained}")
                since, first = time.monotonic(), step
    load_weights(run_dir / "best.weights.h5", model)
    return save_vae(run_dir, config, dataset.fingerprint, statistics, model.mean_encoder())


def open_vae(config, statistics, run_dir):
    """The compiled VAE: from the run's checkpoint where there is one, else new."""
    keras.utils.set_random_seed(config.seed)
    model = Vae(config, statistics)
    rate = config.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(rate, config.steps) if config.decaying else rate
    model.compile(keras.optimizers.Adam(schedule), loss=None, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # or loading skips the moments with a mere warning
    checkpoint = run_dir / "checkpoint.weights.h5"
    if checkpoint.exists():
        load_weights(checkpoint, model)
    return model


def save_weights(path, model):
    """Saves weights, moments and step in one file, whole or not at all."""
    with whole_file(path) as partial:
        model.save_weights(partial)


def load_weights(path, model):
    """Reads what `save_weights` wrote.

    Raises:
        InputError: the file is missing or damaged.
    """
    try:
        model.load_weights(path)
    except (OSError, ValueError, KeyError) as error:
        raise InputError(f"{path}: missing or damaged ({error}); choose a new --run to train from the start") from error
