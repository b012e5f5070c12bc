"""Trains the audio VAE: data, network, resume, steps, validation, the folder that keeps its encoder."""

import time
from functools import partial

import keras
import numpy as np

from began.vae.model import Vae
from began.vae.model_folder import save_vae
from began.vae.pictures import draw_vae_curves
from began.vae.validation import VaeValidation
from media.pictures import read_png
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.program import progress
from training.checkpoints import keep_checkpoint, load_weights, open_checkpoint, save_weights
from training.frames import FrameSet, batch_indices
from training.metrics_log import MetricsLog
from training.run_folder import DivergenceError, open_run, own_run, run_settings

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
            configuration or process, or the loss is NaN or infinite.
    """
    with own_run(run_dir):
        return _train(config, dataset, run_dir)


def _train(config, dataset, run_dir):
    clips = {name: dataset.split(name) for name in ("train", "validation")}
    run_dir = open_run(run_dir, run_settings("vae", config, dataset))
    train = FrameSet(clips["train"], config.feature_settings)
    validation = FrameSet(clips["validation"], config.feature_settings)
    statistics = FeatureStatistics.of(train.maps)
    maps = np.concatenate([statistics.standardise(of_clip, np.inf) for of_clip in train.maps])

    model = open_checkpoint(run_dir, partial(new_vae, config, statistics))
    examine = VaeValidation(model, maps, validation, statistics)
    step = int(model.optimizer.iterations)
    log = MetricsLog(run_dir, COLUMNS, step)
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
                    raise DivergenceError(run_dir, step, log.last_step)
                model.reset_metrics()
                rate = (step - first) / (time.monotonic() - since)
                values, seen = examine(model)
                if not np.isfinite(values["validation_loss"]):
                    raise DivergenceError(run_dir, step, log.last_step)
                values = {"train_loss": means["loss"], **values, "steps_per_second": rate}
                if values["validation_loss"] < log.lowest("validation_loss"):
                    save_weights(run_dir / "best.weights.h5", model)
                log.add(step, values)
                pictures = {name: run_dir / "samples" / f"{name}-{step:06d}.png" for name in ("maps", "codes")}
                examine.draw(model, seen, *pictures.values())
                for name, path in pictures.items():
                    log.add_picture(step, name, read_png(path))
                draw_vae_curves(run_dir / "curves.png", log.rows)
                keep_checkpoint(run_dir, model)
                explained = f"{100 * values['explained_variance']:.1f} % of the variance explained"
                bar.set_postfix_str(f"validation loss {values['validation_loss']:.2f}, {explained}")
                since, first = time.monotonic(), step
    load_weights(run_dir / "best.weights.h5", model)
    return save_vae(run_dir, config, dataset.fingerprint, statistics, model.mean_encoder())


def new_vae(config, statistics):
    """A compiled VAE that has learned nothing, its optimiser built."""
    keras.utils.set_random_seed(config.seed)
    model = Vae(config, statistics)
    rate = config.learning_rate
    schedule = keras.optimizers.schedules.CosineDecay(rate, config.steps) if config.decaying else rate
    model.compile(keras.optimizers.Adam(schedule), loss=None, jit_compile=False)
    model.optimizer.build(model.trainable_variables)  # or loading skips the moments with a mere warning
    return model
