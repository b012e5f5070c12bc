"""Trains the refiner on what the regressor makes: what a step sees, how it is validated."""

import hashlib
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from audio2faces.config import RefinerConfig
from audio2faces.face import FaceModel
from audio2faces.figures import draw_refiner_curves
from audio2faces.refiner.network import Refiner, build_refiner
from audio2faces.refiner.validation import RefinerValidation
from audio2faces.regressor.network import add_motion
from audio2faces.regressor.training import TrainedRegressor, in_float32
from audio2faces.stages import MODES
from began.figures import draw_rows
from began.networks.inference import BATCH
from media.pixels import to_signed
from runtime.program import progress
from training.frames import REST_FRAMES, batch_indices
from training.loop import Picture, Task, train
from training.run_folder import RunSettings, open_run, with_precision
from training.trainable import Batch


class RefinerTask(Task):
    """What training a refiner adds to the loop.

    A batch holds pairs of frames that follow each other in time, as the regressor shows them when it starts from a
    quiet face of the same clip, as it does in generation. (Starting from any face, whose own motion it knows no better
    than that of the others, the refiner learns to distrust all motion: the mouth moved less by a tenth.)

    The weights of the last step are the result: the sharpest of all steps may be one that drew a grid over the face.

    Args:
        config: with a precision that is chosen.
        trained: the regressor.
        face: of the regressor, without a refiner.
    """

    description = "training the refiner"
    measured = ("correlation", "amplitude", "explained_variance", "mouth_sharpness", "mouth_psnr")
    beta_1 = 0.5
    clipping: float | None = 1.0

    def __init__(self, config: RefinerConfig, trained: TrainedRegressor, face: FaceModel) -> None:
        self.config, self.settings, self.trained, self.face = config, config.training, trained, face
        self.frames = trained.task.full
        if config.network == "2017":
            self.clipping = None

    def build(self, **options: Any) -> Refiner:
        """See `Task.build`."""
        return Refiner(self.config, **options)

    def prepare(self) -> None:
        """See `Task.prepare`."""
        task = self.trained.task
        held_out = task.store.frames("validation", task.config.speech.feature_settings)
        self.validation = RefinerValidation(self.face, held_out, task.full_mouth)
        self.quiet = self.frames.quietest(REST_FRAMES)
        at_rest = []
        with progress(self.quiet.size, "frame", "motion at rest", short=True) as bar:
            for first in range(0, self.quiet.size, BATCH):
                at_rest.append(self.trained.motion(self.quiet.ravel()[first : first + BATCH]).astype(np.float16))
                bar.update(len(at_rest[-1]))
        motion = np.concatenate(at_rest)
        self.quiet_motion = motion.reshape(*self.quiet.shape, *motion.shape[1:])

    def batch(self, step: int) -> Batch:
        """See `Task.batch`, and `Refiner` for what is in it."""
        frames, count, seed = self.frames, self.settings.batch_size, self.settings.seed
        generator = np.random.default_rng((seed, step))
        first = batch_indices(len(frames), -(-count // 2), step, seed)
        start, end = (
            np.searchsorted(frames.sequence_of, frames.sequence_of[first], side=side) for side in ("left", "right")
        )
        first = np.where(first + 1 < end, first, np.maximum(first - 1, start))
        indices = np.stack([first, np.minimum(first + 1, end - 1)], axis=1).ravel()[:count]
        reference = moving = self.trained.motion(indices)
        if self.face.config.motion:
            clips = frames.clip_of[indices]
            chosen = generator.integers(self.quiet.shape[1], size=len(first)).repeat(2)[:count]
            reference = to_signed(frames.faces(self.quiet[clips, chosen]))
            moving = np.asarray(add_motion(reference, moving - self.quiet_motion[clips, chosen]))
        foreign = generator.integers(len(frames), size=count)
        return {
            "face": to_signed(frames.faces(indices)),
            "speech": self.trained.maps[indices],
            "foreign_speech": self.trained.maps[foreign],
            "moving": moving,
            "reference": reference,
        }

    def validate_before(self) -> dict[str, float | None]:
        """See `Task.validate_before`: the regressor alone."""
        return self.validation(None)[0]

    def validate(self, model: Refiner) -> tuple[dict[str, float | None], dict[str, Picture]]:
        """See `Task.validate`: `audio2faces.refiner.validation.RefinerValidation`."""
        values, rows = self.validation(model.generator)
        return values, {"faces": partial(draw_rows, rows=rows)}

    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """See `Task.draw_curves`."""
        draw_refiner_curves(path, rows)


def train_refiner(
    config: RefinerConfig,
    trained: TrainedRegressor,
    face: FaceModel,
    run_dir: Path,
    task: Callable[..., RefinerTask] = RefinerTask,
) -> keras.Model:
    """Trains a refiner, or resumes an interrupted run.

    A run folder holds what `loop.train` leaves, and config.json.

    Args:
        config: settings.
        trained: the regressor, of a dataset with faces of `config.size` pixels.
        face: of the regressor, without a refiner.
        run_dir: folder of the run, made where missing.
        task: what is trained; a variant's in experiments.

    Returns:
        the refiner in float32.

    Raises:
        InputError: as for the regressor.
    """
    config = with_precision(config)
    data = trained.task.store.dataset.fingerprint
    run_dir = open_run(run_dir, RunSettings(MODES["refiner"], config, data, {"regressor": fingerprint(face.network)}))
    model = train(task(config, trained, face), run_dir)
    return in_float32(build_refiner, config, model.generator)


def fingerprint(network: keras.Model) -> str:
    """Twelve digits of the SHA-256 over the weights of a network."""
    digest = hashlib.sha256()
    for weight in network.get_weights():
        digest.update(weight.tobytes())
    return digest.hexdigest()[:12]
