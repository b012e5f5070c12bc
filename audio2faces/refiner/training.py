"""Trains the refiner on what the regressor makes: what a step sees, how it is validated."""

import hashlib
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import cv2
import keras
import numpy as np

from audio2faces.config import RefinerConfig
from audio2faces.figures import draw_refiner_curves
from audio2faces.lower_face import painted_mask, upper_face
from audio2faces.refiner.network import LIGHT, Refiner, build_refiner
from audio2faces.refiner.validation import RefinerValidation
from audio2faces.regressor.training import TrainedRegressor, in_float32
from audio2faces.stages import MODES
from audio2faces.trained.face import FaceModel
from audio2faces.trained.motion import add_motion
from began.figures import draw_rows
from began.networks.inference import BATCH
from media.pixels import to_signed
from runtime.progress import progress, with_progress
from training.frames import REST_FRAMES, batch_indices
from training.loop import Picture, Task, train
from training.run_folder import RunSettings, open_run, with_precision
from training.trainable import Batch

CANDIDATES = 4  # other moments of a clip, of which the one with the most similar upper face is painted into
ALIKE = 6.0  # grey levels by which it may differ
FOREIGN = 0.3  # share of the pairs whose reference is of another clip
AUGMENTED = 0.2  # share of the pairs whose pose in the frame is augmented
AS_FILMED = 0.3  # last share of the steps, in which none is: a warped frame is softer
# Twice the standard deviation of an augmented pose: degrees; shares of the side; width against height, as a head that
# turns aside changes it; size of one side against the other.
TURN, SCALE, SHIFT, ASPECT, TILT = 6.0, 0.06, 0.03, 0.2, 0.1


class RefinerTask(Task):
    """What training a refiner adds to the loop.

    A batch holds pairs of frames that follow each other in time, whose lower face is to be painted into frames of
    another moment. What is painted starts as the regressor shows it when it moves a quiet face of the same clip, as it
    does in generation. (Starting from any face, whose own motion it knows no better than that of the others, the
    refiner learns to distrust all motion: the mouth moved less by a tenth.) Footage may show another turn of the head
    than the reference: so some references are of other clips, and the pose of some frames and references is augmented.

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
        """See `Task.build`: the usual light is that of the face's reference."""
        model = Refiner(self.config, **options)
        if self.face.config.motion:
            model.generator.get_layer(LIGHT).adapt(to_signed(self.face.reference))
        return model

    def prepare(self) -> None:
        """See `Task.prepare`."""
        task = self.trained.task
        held_out = task.store.frames("validation", task.config.speech.feature_settings)
        self.validation = RefinerValidation(self.face, held_out, task.full_mouth)
        if not self.face.config.motion:
            return
        clips = with_progress(task.frames.clips, "clip", "comparing poses")
        self.upper = np.stack([upper_face(face) for clip in clips for face in clip.faces]).astype(np.float16)
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
        start, end = self._sequences(first)
        first = np.where(first + 1 < end, first, np.maximum(first - 1, start))
        indices = np.stack([first, np.minimum(first + 1, end - 1)], axis=1).ravel()[:count]
        face = frame = to_signed(frames.faces(indices))
        reference = moving = self.trained.motion(indices)
        if self.face.config.motion:
            frame = to_signed(frames.faces(self._other_moments(first, generator)[:count]))
            share = AUGMENTED if step < (1 - AS_FILMED) * self.settings.steps else 0
            which = (generator.random(len(first)) < share).repeat(2)[:count]
            frame[which], face[which] = augmented((frame[which], face[which]), generator)
            face = frame + painted_mask(self.config.size) * (face - frame)
            clips = frames.clip_of[first]
            others = generator.integers(len(self.quiet), size=len(first))
            foreign = generator.random(len(first)) < FOREIGN
            clips = np.where(foreign, others, clips).repeat(2)[:count]
            chosen = generator.integers(self.quiet.shape[1], size=len(first)).repeat(2)[:count]
            reference = to_signed(frames.faces(self.quiet[clips, chosen]))
            moving = add_motion(reference, moving - self.quiet_motion[clips, chosen])
            which = foreign.repeat(2)[:count]
            reference[which], moving[which] = augmented((reference[which], moving[which]), generator)
        return {
            "face": face,
            "frame": frame,
            "speech": self.trained.maps[indices],
            "foreign_speech": self.trained.maps[generator.integers(len(frames), size=count)],
            "moving": moving,
            "reference": reference,
        }

    def _sequences(self, indices: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """First frame and end of the unbroken sequence that each frame is in [shape=(n,) each]."""
        numbers = self.frames.sequence_of
        return tuple(np.searchsorted(numbers, numbers[indices], side=side) for side in ("left", "right"))

    def _other_moments(self, first: np.ndarray, generator: np.random.Generator) -> np.ndarray:
        """Pairs of frames of another moment of the same clip, in which the head is held alike.

        Cheeks and jaw around a mouth tell how far it is open. In footage they are of another moment than the speech: a
        refiner that could rely on them would move the mouth there less.

        Args:
            first: the first frame of each pair that is to be painted [shape=(n,)].
            generator: source of randomness.

        Returns:
            indices of pairs [shape=(2 * n,)]; of the same frames where none of CANDIDATES is alike.
        """
        start, end = self._sequences(first)
        others = generator.integers(start[:, None], end[:, None], size=(len(first), CANDIDATES))
        distances = np.abs(self.upper[others] - self.upper[first][:, None]).mean(axis=(-2, -1), dtype=np.float32)
        nearest = distances.argmin(axis=1)
        rows = np.arange(len(first))
        chosen = np.where(distances[rows, nearest] < ALIKE, others[rows, nearest], first)
        return np.stack([chosen, np.minimum(chosen + 1, end - 1)], axis=1).ravel()

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


def augmented(several: Sequence[np.ndarray], generator: np.random.Generator) -> list[np.ndarray]:
    """Faces in another pose: turned, shifted, stretched or narrowed, tilted; alike within each pair.

    Args:
        several: arrays of faces in about [-1, 1], which are augmented alike; the frames of a pair one after the other
            [shape=(n, size, size, 3) each].
        generator: source of randomness.

    Returns:
        arrays in [-1, 1], same shapes.
    """
    made = [np.empty_like(faces) for faces in several]
    count, size = several[0].shape[:2]
    middle = (size - 1) / 2
    to_middle, back = np.eye(3), np.eye(3)
    to_middle[:2, 2], back[:2, 2] = -middle, middle
    for first in range(0, count, 2):
        angle, scale, *shift = generator.normal(0, (TURN, SCALE, SHIFT, SHIFT)) / 2
        transform = np.eye(3)
        transform[:2] = cv2.getRotationMatrix2D((0, 0), angle, 1 + scale)
        transform[:2, 0] *= np.exp(generator.normal(0, ASPECT) / 2)
        transform[:2, 2] = np.array(shift) * size
        transform[2, :2] = generator.normal(0, TILT, 2) / 2 / size
        transform = back @ transform @ to_middle
        for faces, result in zip(several, made, strict=True):
            for index in range(first, min(first + 2, count)):
                moved = cv2.warpPerspective(  # cubic, since linear interpolation is softer
                    faces[index], transform, (size, size), flags=cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE
                )
                result[index] = np.clip(moved, -1, 1)
    return made


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
