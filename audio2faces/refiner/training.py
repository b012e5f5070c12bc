"""Trains the refiner on what the regressor makes: batches, resume, steps, examination."""

import dataclasses
import hashlib
from functools import partial

import numpy as np

from audio2faces.figures import draw_refiner_curves
from audio2faces.refiner.network import Refiner, build_refiner
from audio2faces.regressor.frames import REST_FRAMES
from audio2faces.regressor.network import add_motion
from audio2faces.stages import MODES
from began.figures import draw_rows
from began.model import WATCHED
from began.model_folder import BATCH
from began.training import learn, new_model
from measures.collapse import ratio, sharpness
from measures.mouth import mouth_measures
from measures.similarity import psnr
from media.pixels import to_signed
from preprocessing.faces.alignment import mouth_slices
from runtime.program import progress, with_progress
from training.checkpoints import keep_checkpoint, open_checkpoint
from training.devices import OneDevice
from training.frames import FrameSet, batch_indices, shown_moments
from training.metrics_log import MetricsLog
from training.run_folder import choose_precision, open_run, run_settings

MEASURED = ("correlation", "amplitude", "explained_variance", "mouth_sharpness", "mouth_psnr")
COLUMNS = (*WATCHED, *MEASURED, "learning_rate", "steps_per_second", "loading_share")


class RefinerBatches:
    """The batches of a run: what a step sees is a function of its number alone.

    Pairs of frames that follow each other in time, as the regressor shows them when it starts from a quiet face of the
    same clip, as it does in generation. (Starting from any face, whose own motion it knows no better than that of the
    others, the refiner learns to distrust all motion: the mouth moved less by a tenth.)

    Args:
        config: `RefinerConfig`.
        trained: `regressor_training.Trained`.
        faces: `FrameSet` of the training clips in full size.
    """

    def __init__(self, config, trained, faces):
        self.config, self.trained, self.faces = config, trained, faces
        self.quiet = trained.training.frames.quietest(REST_FRAMES)
        at_rest = []
        with progress(self.quiet.size, "frame", "faces at rest", short=True) as bar:
            for first in range(0, self.quiet.size, BATCH):
                at_rest.append(trained.motion(self.quiet.ravel()[first : first + BATCH]).astype(np.float16))
                bar.update(len(at_rest[-1]))
        at_rest = np.concatenate(at_rest)
        self.quiet_motion = at_rest.reshape(*self.quiet.shape, *at_rest.shape[1:])

    def __call__(self, step):
        """The batch of a step, as `Refiner` takes it."""
        config, trained, faces = self.config, self.trained, self.faces
        generator = np.random.default_rng((config.seed, step))
        first = batch_indices(len(faces), -(-config.batch_size // 2), step, config.seed, config.shuffled)
        begin, end = (
            np.searchsorted(faces.sequence_of, faces.sequence_of[first], side=side) for side in ("left", "right")
        )
        first = np.where(first + 1 < end, first, np.maximum(first - 1, begin))
        indices = np.stack([first, np.minimum(first + 1, end - 1)], axis=1).ravel()[: config.batch_size]
        reference = moving = trained.motion(indices)
        if trained.training.config.motion:
            clips = faces.clip_of[indices]
            chosen = generator.integers(self.quiet.shape[1], size=len(first)).repeat(2)[: config.batch_size]
            reference = to_signed(faces.faces(self.quiet[clips, chosen]))
            moving = np.asarray(add_motion(reference, moving - self.quiet_motion[clips, chosen]))
        foreign = generator.integers(len(faces), size=len(indices))
        return {
            "face": to_signed(faces.faces(indices)),
            "speech": trained.maps[indices],
            "foreign_speech": trained.maps[foreign],
            "moving": moving,
            "reference": reference,
        }


class RefinerExamination:
    """Looks at a refiner during its training: mouth motion and sharpness on the validation clips, and a picture.

    Args:
        training: `regressor_training.Training`.
        face: `TalkingFace` without a refiner.
        clips: validation clips in full size.
    """

    def __init__(self, training, face, clips):
        self.face, self.clips = face, clips
        self.real = [clip.faces for clip in clips]
        maps = FrameSet(clips, training.config.feature_settings).maps
        self.rows, self.columns = mouth_slices(face.config.size)
        self.components = training.full_mouth
        self.motion, self.real_motion = [], []
        for of_clip, faces in with_progress(
            list(zip(maps, self.real, strict=True)), "clip", "motion of validation clips"
        ):
            self.motion.append(face.motion(of_clip))
            self.real_motion.append(self.components.of_faces(faces))

    def __call__(self, refiner):
        """Examines a network; None stands for the regressor alone.

        Returns:
            (values, rows): MEASURED, and rows of faces for `began.figures.draw_rows`.
        """
        face = dataclasses.replace(self.face, refiner=refiner)
        made = []
        for motion in with_progress(self.motion, "clip", "validation"):
            made.append(face.paint(motion))
        measures = mouth_measures(self.real_motion, [self.components.of_faces(faces) for faces in made])
        real, refined = ([faces[:, self.rows, self.columns] for faces in of_clips] for of_clips in (self.real, made))
        values = {name: measures[name] for name in ("correlation", "amplitude", "explained_variance")}
        values["mouth_sharpness"] = ratio(sum(map(sharpness, refined)), sum(map(sharpness, real)))
        values["mouth_psnr"] = float(np.mean(np.concatenate([psnr(x, y) for x, y in zip(real, refined, strict=True)])))
        moments = shown_moments(len(self.real[0]))
        rows = {"real": self.real[0], "regressor": self.face.paint(self.motion[0], refined=False), "refined": made[0]}
        return values, {label: faces[moments] for label, faces in rows.items()}


def train_refiner(config, dataset, trained, faces, face, run_dir):
    """Trains a refiner, or goes on with a run that was interrupted.

    A run folder is that of a BEGAN (`began.training.train_began`), less best.weights.h5, model/ and last/: the last
    step's weights are the result. (The sharpest of all steps may be one that drew a grid over the face.)

    Args:
        config: `RefinerConfig`.
        dataset: `preprocessing.dataset.Dataset` with faces of `config.size` pixels.
        trained: `regressor_training.Trained`.
        faces: `FrameSet` of the training clips in full size.
        face: `TalkingFace` of the regressor.
        run_dir: folder of the run, made where missing.

    Returns:
        the refiner, `keras.Model` in float32.

    Raises:
        InputError: as for the regressor.
    """
    config = dataclasses.replace(config, precision=choose_precision(config.precision))
    settings = run_settings(MODES["refiner"], config, dataset) | {"regressor": fingerprint(face.network)}
    run_dir = open_run(run_dir, settings)
    model = open_checkpoint(run_dir, partial(new_model, config, Refiner))
    if int(model.steps_done) < config.steps:
        devices = OneDevice()
        examine = RefinerExamination(trained.training, face, dataset.split("validation"))
        batches = RefinerBatches(config, trained, faces)
        log = MetricsLog(run_dir, COLUMNS, int(model.steps_done))
        if not log.rows:  # the regressor alone
            log.add(0, dict.fromkeys(COLUMNS) | examine(None)[0])
        for step, values in learn(config, model, model, batches, devices, log):
            measured, rows = examine(model.generator)
            values |= measured
            picture = draw_rows(run_dir / "samples" / f"step-{step:06d}.png", rows)
            log.add(step, values)
            log.add_picture(step, "faces", picture)
            draw_refiner_curves(run_dir / "curves.png", log.rows)
            keep_checkpoint(run_dir, model)
    refiner = build_refiner(config)
    refiner.set_weights(model.generator.get_weights())
    refiner.jit_compile = False
    return refiner


def fingerprint(network):
    """Twelve digits of the SHA-256 over the weights of a network."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()[:12]
