"""Trains a BEGAN: data, networks, resume, steps, examination, model folder."""

import contextlib
import dataclasses
import json
import sys
import time
from functools import partial
from pathlib import Path

import keras
import numpy as np

from began.batches import Batches
from began.eigenfaces import FIT_FACES, Eigenfaces
from began.examination import Examination
from began.figures import draw_curves, draw_rows
from began.model import WATCHED, Began
from began.model_folder import BeganFace, build_network, encoded, standardiser, write_model
from began.networks.audio_network import audio_network_of
from began.networks.generator import BASE
from measures.mouth import COMPONENTS, MouthComponents
from media.pixels import to_signed, to_uint8
from preprocessing.dataset import check_size
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.program import InputError, peak_memory, progress
from training.checkpoints import keep_checkpoint, load_weights, open_checkpoint, save_weights
from training.devices import open_devices
from training.frames import FrameSet
from training.metrics_log import MetricsLog
from training.run_arrays import computed_once
from training.run_folder import (
    DivergenceError,
    check_run,
    choose_precision,
    open_run,
    own_run,
    run_settings,
    seed_layers,
)

MEASURED = (
    "diversity",
    "mouth_diversity",
    "duplicates",
    "real_duplicates",
    "coverage",
    "rarer_group",
    "sharpness",
    "learned_diversity",
    "swap",
    "mouth_swap",
    "correlation",
    "amplitude",
    "explained_variance",
    "score",
)
COLUMNS = (*WATCHED, *MEASURED, "learning_rate", "steps_per_second", "loading_share")
STALLED = 0.001  # M_global has to fall by this share of itself to count as a new lowest
COLLAPSED = 0.2  # diversity below which the run warns
CLOSED = 1e-4  # k below which D does not look at generated faces


def train_began(config, dataset, run_dir):
    """Trains a BEGAN, or goes on with a run that was interrupted.

    A run folder holds config.json, mouth.npz and eigenfaces.npz (computed once), checkpoint.weights.h5 (weights, both
    players' moments, k, the step) and previous.weights.h5 (the one before), best.weights.h5 (the highest score),
    metrics.csv, curves.png, samples/, tensorboard/, warnings.txt where there was reason and, at the end, model/ (the
    best weights) and last/. The same configuration, data and machine give the same weights, interrupted or not.

    Args:
        config: `BeganConfig`.
        dataset: `preprocessing.dataset.Dataset` with faces of `config.size` pixels.
        run_dir: folder of the run, made where missing.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset has another size, lacks a split or holds NaN, the run folder belongs to another
            configuration or process, or the loss is NaN or infinite.
    """
    config = dataclasses.replace(config, precision=choose_precision(config.precision))
    check_dataset(config, dataset)
    devices = open_devices(config.batch_size, run_dir)
    with own_run(run_dir) if devices.chief else contextlib.nullcontext():
        return _train(config, dataset, Path(run_dir), devices)


def _train(config, dataset, run_dir, devices):
    settings = run_settings("began", config, dataset)
    if devices.chief:
        check_run(run_dir, settings)
    if config.audio_code:
        audio_network_of(config, dataset.fingerprint)  # refuses what it cannot hear through before a run is made
    clips = {name: dataset.split(name) for name in ("train", "validation")}
    train, held_out = (FrameSet(clips[name], config.feature_settings) for name in ("train", "validation"))
    statistics = FeatureStatistics.of(train.maps)
    some = train.faces(np.sort(np.random.default_rng(0).permutation(len(train))[:FIT_FACES]))
    if devices.chief:
        open_run(run_dir, settings)
    devices.agree("settings", json.dumps(settings))
    mouth = MouthComponents(
        **computed_once(run_dir / "mouth.npz", lambda: vars(MouthComponents.of(train.clips)), devices)
    )
    eigenfaces = None
    if config.z_source == "eigenfaces":

        def components():
            arguments = to_signed(some), config.z_size, config.covered
            if config.mouth_left_out:
                return vars(Eigenfaces.of_clips(train.clips, *arguments, mouth))
            return vars(Eigenfaces.of(*arguments))

        eigenfaces = Eigenfaces(**computed_once(run_dir / "eigenfaces.npz", components, devices))
    batches = Batches(config, train, standardiser(config, statistics), eigenfaces)
    examine = Examination(train, held_out, mouth) if devices.chief else None

    model = open_checkpoint(run_dir, partial(new_model, config))
    if config.has_base:
        model.generator.get_layer(BASE).set_weights([eigenfaces.kernel, eigenfaces.bias])
    devices.agree("step to start from", int(model.steps_done))
    learner = devices.spread(model, partial(new_model, config))
    network = build_network(model)

    def face(suffix=""):
        codes = eigenfaces.codes(to_signed(some)) if eigenfaces else None
        if config.z_source == "reference":
            codes = encoded(model, some)
        return BeganFace(run_dir.resolve().name + suffix, config, dataset.frame_rate, statistics, network, codes)

    log = MetricsLog(run_dir, COLUMNS, int(model.steps_done), writes=devices.chief)
    for step, values in learn(config, model, learner, batches, devices, log):
        if devices.chief:
            measured, rows = examine(face())
            values |= measured
            heard = {label: batches.standardise(maps) for label, maps in examine.speech_of_rows.items()}
            keep(run_dir, model, log, step, values, with_reconstructions(model, rows, heard))
        else:  # what the learning rate follows
            log.add(step, values)
    if devices.chief:
        with progress(2, "model", "writing the models", short=True) as bar:
            write_model(run_dir / "last", face(", last"), model)
            bar.update(1)
            load_weights(run_dir / "best.weights.h5", model)
            write_model(run_dir / "model", face(), model)
            bar.update(1)
    devices.wait()
    return run_dir / "model"


def learn(config, model, learner, batches, devices, log):
    """Takes the steps that are left.

    Args:
        config: `BeganConfig`.
        model: `Began`, which knows how many steps were done.
        learner: the same spread over the devices; that is what learns.
        batches: function from the number of a step to its batch.
        devices: `devices.Devices`.
        log: `MetricsLog`, whose rows the learning rate follows; to be added to whenever this yields.

    Yields:
        (step, values): after each `config.evaluate_every` steps and after the last one, when `model` has the learner's
        weights; the means of WATCHED, and what else the training loop knows of COLUMNS.

    Raises:
        DivergenceError: the loss, or a weight, is NaN or infinite.
    """
    step = int(model.steps_done)
    noted, since, loading, share = [], time.monotonic(), 0.0, None
    with progress(config.steps, "step", "training", start=step) as bar:
        while step < config.steps:
            if config.forget_every and step and step % config.forget_every == 0:
                forget(learner, config)
            asked = time.monotonic()
            batch = batches(step)
            loading += time.monotonic() - asked
            seed_layers(learner, config.seed, step)
            learner.begin_step(step)
            learner.optimizer.learning_rate.assign(learning_rate_at(step, log.rows, config))
            values = devices.step(learner, batch)
            noted.append([float(values[name]) for name in WATCHED])
            step += 1
            bar.update(1)
            if not np.isfinite(values["loss"]):
                raise DivergenceError(log.run_dir, step, log.last_step)
            if step % config.evaluate_every == 0 or step == config.steps:
                devices.bring_back(learner, model)
                if not all(np.isfinite(weight).all() for weight in model.get_weights()):
                    raise DivergenceError(log.run_dir, step, log.last_step)
                model.steps_done.assign(step)
                seconds = time.monotonic() - since
                share = loading / seconds
                yield (
                    step,
                    dict(zip(WATCHED, np.mean(noted, axis=0).tolist(), strict=True))
                    | {
                        "k": float(model.k),
                        "learning_rate": float(model.optimizer.learning_rate),
                        "steps_per_second": len(noted) / seconds,
                        "loading_share": share,
                    },
                )
                noted, since, loading = [], time.monotonic(), 0.0
    if share is not None:
        memory = f"{peak_memory() / 1e9:.2f} GB" if peak_memory() else "unknown"
        print(f"peak memory {memory}; loading took {share:.1%} of the last steps' time", file=sys.stderr)


def keep(run_dir, model, log, step, values, rows):
    """Writes what an examination found: the weights if they are the best, pictures, the log, a checkpoint."""
    if values["score"] > log.highest("score"):
        save_weights(run_dir / "best.weights.h5", model)
    picture = draw_rows(run_dir / "samples" / f"step-{step:06d}.png", rows)
    log.add(step, values)
    log.add_picture(step, "faces", picture)
    draw_curves(run_dir / "curves.png", log.rows)
    keep_checkpoint(run_dir, model)
    warn_of_collapse(run_dir, log.rows)


def check_dataset(config, dataset):
    """Refuses a dataset that this configuration cannot learn from.

    Raises:
        InputError: its faces have another size, or there are too few clips or frames.
    """
    check_size(dataset, config.size)
    train = dataset.split("train")
    if len(train) < 2:
        raise InputError(
            f"{dataset.folder}: {len(train)} clip to train on; the collapse of a generator is measured between clips, "
            "give at least two (--segments auto cuts a long video)"
        )
    frames = sum(len(clip.faces) for clip in train)
    if frames < config.batch_size:
        raise InputError(
            f"{dataset.folder}: {frames} frames to train on, a batch takes {config.batch_size}; "
            "prepare more video, or give a smaller --batch-size"
        )
    components = config.z_size + config.mouth_left_out * COMPONENTS
    if config.z_source == "eigenfaces" and frames <= components:
        raise InputError(
            f"{dataset.folder}: {frames} frames to train on, z takes more than {components}; prepare more video"
        )


def new_model(config, of=Began, **options):
    """A compiled `Began`, or one of its kind, that has learned nothing, its optimiser built."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    model = of(config, **options)
    keras.config.set_dtype_policy("float32")
    jit_compile = "auto" if keras.backend.backend() == "jax" else False  # on TensorFlow's CPU XLA is slower
    optimizer = keras.optimizers.Adam(config.learning_rate, config.beta_1, global_clipnorm=config.clipping or None)
    model.compile(optimizer, jit_compile=jit_compile)
    model.optimizer.build(model.trainable_variables)
    return model


def with_reconstructions(model, rows, speech):
    """The rows of a picture and below those of real and generated faces what D makes of them, given their speech."""
    wider = {}
    for label, faces in rows.items():
        wider[label] = faces
        if label in ("real", "generated"):
            seen = {"face": to_signed(faces)}
            if model.config.conditional:
                seen["speech"] = speech[label]
            wider[f"D({label})"] = to_uint8(model.discriminator(seen, training=False)[0])
    return wider


def forget(model, config):
    """Loses k, the moments and the optimiser's step, as the 2017 project did whenever it went on."""
    model.k.assign(config.smallest_k)
    for variable in model.optimizer.variables:
        variable.assign(np.zeros(variable.shape, variable.dtype))


def learning_rate_at(step, rows, config):
    """The rate of a step: halved whenever M_global has stalled, or on schedule; a function of what is logged.

    Args:
        step: number of the step, from 0.
        rows: of a `MetricsLog`, before it.
        config: `BeganConfig`.
    """
    halvings, lowest, since = 0, np.inf, 0
    known = [row["m_global"] for row in rows if row["m_global"] is not None]
    for m_global in known if config.patience else ():
        if m_global < lowest * (1 - STALLED):
            lowest, since = m_global, 0
        elif (since := since + 1) == config.patience:
            halvings, since = halvings + 1, 0
    if config.decay_every:
        counted = step % config.forget_every if config.forget_every else step
        halvings += counted * (1 + config.counted_twice) // config.decay_every
    return max(config.learning_rate / 2**halvings, config.smallest_rate)


def warn_of_collapse(run_dir, rows):
    """Says early that a run is lost, on the terminal and in warnings.txt: the last rows of metrics.csv tell."""
    last, complaints = rows[-1], []
    if (diversity := last["diversity"]) is not None and diversity < COLLAPSED:
        complaints.append(f"step {last['step']}: faces are {diversity:.2f} as different as real ones")
    if len(rows) > 1 and all(row["k"] < CLOSED for row in rows[-2:]):  # at first it may wait for D to learn
        complaints.append(
            f"step {last['step']}: k stays at {last['k']:.5f}, the discriminator does not look at generated "
            "faces (at first it learns from real ones alone; later it should look)"
        )
    for complaint in complaints:
        print(f"warning: {complaint}", file=sys.stderr)
        with open(run_dir / "warnings.txt", "a", encoding="utf-8") as file:
            file.write(complaint + "\n")
