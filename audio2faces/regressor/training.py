"""Trains the regressor: data, network, resume, steps, validation."""

import dataclasses
import time
from dataclasses import dataclass
from functools import cached_property, partial

import keras
import numpy as np

from audio2faces.face import TalkingFace
from audio2faces.figures import draw_curves
from audio2faces.regressor.frames import MotionSet, Speech, choose_reference
from audio2faces.regressor.idle import IdleMotion, fit_idle_motion
from audio2faces.regressor.network import MouthWeightedError, build_regressor
from audio2faces.regressor.validation import Validation
from audio2faces.stages import MODES
from began.figures import draw_rows
from began.model_folder import BATCH, standardiser
from measures.mouth import MouthComponents
from media.pixels import to_signed
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.program import progress
from training.checkpoints import keep_checkpoint, load_weights, open_checkpoint, save_weights
from training.frames import batch_indices
from training.metrics_log import MetricsLog
from training.run_arrays import computed_once
from training.run_folder import DivergenceError, choose_precision, open_run, run_settings, seed_layers

IDLE = "idle.npz"  # in the folder of the run
COLUMNS = ("train_loss", "validation_loss", "correlation", "amplitude", "explained_variance", "steps_per_second")


@dataclass(frozen=True)
class Training:
    """What training clips say before anything is learned.

    Attributes:
        config: `RegressorConfig`.
        frames: `MotionSet` of the training clips.
        statistics: `FeatureStatistics` of their speech.
        reference: index of the frame that motion is added to.
        mouth: `MouthComponents` of faces of the motion's size.
        full_mouth: the same of faces in full size.
    """

    config: object
    frames: MotionSet
    statistics: FeatureStatistics
    reference: int
    mouth: MouthComponents
    full_mouth: MouthComponents

    @classmethod
    def of(cls, config, clips, run_dir):
        """What clips of a dataset say under a `RegressorConfig`; the folder of the run keeps the components."""
        frames = MotionSet(clips, config)

        def components():
            of_motion = MouthComponents.of(frames.clips).basis
            same = config.motion_size == config.size
            return {"motion": of_motion, "full": of_motion if same else MouthComponents.of(clips).basis}

        bases = computed_once(run_dir / "mouth.npz", components)
        return cls(
            config=config,
            frames=frames,
            statistics=FeatureStatistics.of(frames.maps),
            reference=choose_reference(frames, clips),
            mouth=MouthComponents(bases["motion"]),
            full_mouth=MouthComponents(bases["full"]),
        )

    @property
    def standardise(self):
        """The function from raw maps to what the network hears."""
        return standardiser(self.config, self.statistics)

    def targets(self, indices, at_rest):
        """What the regressor is to show in frames [shape=(n, motion_size, motion_size, 3)].

        Args:
            indices: of the frames.
            at_rest: bool, those that are to show their clip's face at rest.
        """
        if not self.config.motion:
            return to_signed(self.frames.faces(indices))
        targets = self.frames.motion(indices)
        targets[at_rest] = self.frames.rest[self.frames.clip_of[indices[at_rest]]]
        return targets


@dataclass(frozen=True)
class Trained:
    """A trained regressor, and what it leaves of the motion.

    Attributes:
        training: `Training`.
        network: the regressor, `keras.Model` in float32.
        kernel: from a code to idle motion [shape=(idle, motion_size, motion_size, 3)]; None where there is none.
        codes: of all training frames [shape=(frames, idle)].
    """

    training: Training
    network: keras.Model
    kernel: np.ndarray | None
    codes: np.ndarray

    @classmethod
    def of(cls, training, network, run_dir):
        """Finds the idle motion that the settings ask for, which the folder of the run keeps."""
        config, frames = training.config, training.frames
        if not config.idle:
            return cls(training, network, None, np.zeros((len(frames), 0), np.float32))

        def idle_motion():
            arguments = frames, training.standardise, network, config.idle, config.covered, training.mouth
            return dict(zip(("kernel", "codes"), fit_idle_motion(*arguments), strict=True))

        return cls(training, network, **computed_once(run_dir / IDLE, idle_motion))

    def motion(self, indices):
        """Motion of training frames, heard and idle [shape=(n, motion_size, motion_size, 3)]."""
        parts = np.array_split(self.maps[indices], -(-len(indices) // BATCH))
        motion = np.concatenate([self.network.predict_on_batch(part) for part in parts])
        if self.kernel is not None:
            motion = motion + np.tensordot(self.codes[indices], self.kernel, 1)
        return motion.astype(np.float32)

    @cached_property
    def maps(self):
        """Standardised maps of all training frames [shape=(frames, rows, coefficients)]."""
        return np.concatenate([self.training.standardise(of_clip) for of_clip in self.training.frames.maps])

    def face(self, name, frame_rate, faces):
        """The `TalkingFace` without articulation and refiner.

        Args:
            name: of the run.
            frame_rate: frames per second of the clips.
            faces: `FrameSet` of the same clips in full size.
        """
        training, idle = self.training, None
        if self.kernel is not None:
            idle = IdleMotion.of(self.kernel, self.codes, faces, training.reference, frame_rate)
        return TalkingFace(
            name=name,
            config=training.config,
            frame_rate=frame_rate,
            statistics=training.statistics,
            network=self.network,
            reference=faces.faces(np.array([training.reference]))[0],
            reference_map=np.concatenate(training.frames.maps)[training.reference],
            idle=idle,
        )


def train_regressor(config, dataset, run_dir):
    """Trains a regressor, or goes on with a run that was interrupted.

    A run folder holds config.json, checkpoint.weights.h5 (weights, Adam's moments and the step: the last validation's)
    and previous.weights.h5 (the one before), best.weights.h5 (the lowest validation loss), metrics.csv, curves.png,
    samples/, tensorboard/, mouth.npz and, at the end, idle.npz (components, computed once). The same configuration,
    data and machine give the same weights, interrupted or not.

    Args:
        config: `RegressorConfig`.
        dataset: `preprocessing.dataset.Dataset` with faces of `config.size` pixels.
        run_dir: folder of the run, made where missing.

    Returns:
        `Trained`.

    Raises:
        InputError: the dataset lacks a split, the run folder belongs to another configuration, or the loss is NaN or
            infinite.
    """
    config = dataclasses.replace(config, precision=choose_precision(config.precision))
    train, held_out = dataset.split("train"), dataset.split("validation")
    run_dir = open_run(run_dir, run_settings(MODES["regressor"], config, dataset))
    training, held_out = Training.of(config, train, run_dir), MotionSet(held_out, config)
    model = open_checkpoint(run_dir, partial(new_model, config))
    if (step := int(model.optimizer.iterations)) < config.steps:
        (run_dir / IDLE).unlink(missing_ok=True)  # of a regressor whose last steps were lost
        learn(config, training, held_out, model, step, run_dir)
    best = new_model(config)
    load_weights(run_dir / "best.weights.h5", best)
    network = build_regressor(config)
    network.set_weights(best.get_weights())
    network.jit_compile = False  # on a processor XLA is slower
    return Trained.of(training, network, run_dir)


def learn(config, training, held_out, model, step, run_dir):
    """Takes the steps that are left, from number `step` on."""
    examine = Validation(training, held_out)
    speech = Speech(training.frames, config, training.standardise)
    log = MetricsLog(run_dir, COLUMNS, step)
    losses, since = [], time.monotonic()
    with progress(config.steps, "step", "training the regressor", start=step) as bar:
        while step < config.steps:
            indices = batch_indices(len(training.frames), config.batch_size, step, config.seed)
            maps, unvoiced = speech(indices, step)
            seed_layers(model, config.seed, step)
            losses.append(model.train_on_batch(maps, training.targets(indices, unvoiced)))
            step += 1
            bar.update(1)
            if step % config.evaluate_every == 0 or step == config.steps:
                if not np.isfinite(losses[-1]):
                    raise DivergenceError(run_dir, step, log.last_step)
                rate = len(losses) / (time.monotonic() - since)
                values, rows = examine(model)
                if not np.isfinite(values["validation_loss"]):
                    raise DivergenceError(run_dir, step, log.last_step)
                values = {"train_loss": np.mean(losses), **values, "steps_per_second": rate}
                if values["validation_loss"] < log.lowest("validation_loss"):
                    save_weights(run_dir / "best.weights.h5", model)
                picture = draw_rows(run_dir / "samples" / f"step-{step:06d}.png", rows)
                log.add(step, values)
                log.add_picture(step, "real above generated", picture)
                draw_curves(run_dir / "curves.png", log.rows)
                keep_checkpoint(run_dir, model)
                bar.set_postfix_str(f"validation loss {values['validation_loss']:.5f}")
                losses, since = [], time.monotonic()


def new_model(config):
    """A compiled regressor that has learned nothing, its optimiser built."""
    keras.utils.set_random_seed(config.seed)
    keras.config.set_dtype_policy(config.precision)
    model = build_regressor(config)
    keras.config.set_dtype_policy("float32")
    schedule = keras.optimizers.schedules.CosineDecay(config.learning_rate, config.steps)
    loss = MouthWeightedError(config.motion_size, config.mouth_weight)
    model.compile(keras.optimizers.Adam(schedule), loss, jit_compile=False)
    model.optimizer.build(model.trainable_variables)
    return model
