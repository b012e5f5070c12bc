"""Trains the regressor: what a step sees, how it is validated."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import keras
import numpy as np

from audio2faces.config import RegressorConfig
from audio2faces.figures import draw_curves
from audio2faces.regressor.linear_decoder import LINEAR_DECODER, fit_linear_decoder
from audio2faces.regressor.network import Regressor, build_regressor
from audio2faces.regressor.validation import RegressorValidation
from audio2faces.speech_encoder.config import SpeechEncoderConfig
from audio2faces.speech_encoder.saved_encoder import SavedEncoder, encoder_of
from audio2faces.speech_encoder.training import SpeechEncoderTask, trained_encoder
from audio2faces.speech_encoder.voices import Voice
from audio2faces.stages import ENCODER_WEIGHTS, MODES
from audio2faces.trained.face import FaceModel
from audio2faces.trained.likeness import Likeness
from audio2faces.training_speech import TrainingSpeech
from began.figures import draw_rows
from began.networks.inference import in_batches, without_xla
from measures.collapse import sharpness
from measures.mouth import MouthComponents
from media.pixels import to_signed
from preprocessing.faces.alignment import mouth_slices
from preprocessing.speech.audio_features import FeatureStatistics
from training.checkpoints import BEST, load_weights
from training.frames import REST_FRAMES, FrameSet, FrameStore, batch_indices, loudness
from training.loop import Picture, Task, train
from training.run_arrays import computed_once
from training.run_folder import RunSettings, open_run, with_precision
from training.trainable import Batch

DECODER = "decoder.npz"  # in the folder of the run
LIKENESS_FACES = 1000  # faces by which the speaker is told from others
NEAR = 10  # one in so many quiet frames has a mouth like the others


class RegressorTask(Task):
    """What training a regressor adds to the loop.

    Args:
        config: with a precision that is chosen.
        store: of a dataset with faces of `config.size` pixels.
        run_dir: folder of the run, which keeps mouth.npz, computed once.
        encoder: that the audio network starts from, whose statistics are the face's; None for none.

    Attributes:
        frames: of the training clips, faces in the size of the motion.
        full: the same frames, faces in full size.
        statistics: of their speech.
        mouth: components of mouth motion, of faces in the size of the motion.
        full_mouth: the same of faces in full size.
        standardise: function from raw maps to the network's input.
    """

    description = "training the regressor"
    measured = ("validation_loss", "correlation", "amplitude", "explained_variance")
    best = ("validation_loss", "min")

    def __init__(
        self, config: RegressorConfig, store: FrameStore, run_dir: Path, encoder: SavedEncoder | None = None
    ) -> None:
        self.config, self.settings, self.store, self.run_dir = config, config.training, store, run_dir
        self.encoder = encoder
        features, size = config.speech.feature_settings, config.motion_size
        self.frames, self.full = store.frames("train", features, size), store.frames("train", features)
        self.statistics = encoder.statistics if encoder else FeatureStatistics.fit(self.frames.maps)
        self.standardise = config.speech.standardiser(self.statistics)

        def components() -> dict[str, np.ndarray]:
            of_motion = MouthComponents.fit(self.frames.clips).basis
            same = size == config.size
            return {"motion": of_motion, "full": of_motion if same else MouthComponents.fit(self.full.clips).basis}

        bases = computed_once(run_dir / "mouth.npz", components)
        self.mouth, self.full_mouth = (MouthComponents(bases[name]) for name in ("motion", "full"))

    @cached_property
    def reference(self) -> int:
        """Index of the frame that motion is added to."""
        return choose_reference(self.frames, self.full)

    @property
    def reference_map(self) -> np.ndarray:
        """Raw map of its moment [shape=(rows, coefficients)]."""
        clip, number = self.frames.place(self.reference)
        return self.frames.maps[clip][number]

    def build(self, **options: Any) -> Regressor:
        """See `Task.build`."""
        model = Regressor(self.config, **options)
        if self.encoder:
            model.start_from(self.encoder.network)
        return model

    def prepare(self) -> None:
        """See `Task.prepare`."""
        config = self.config
        features, seed = config.speech.feature_settings, config.training.seed
        self.speech = TrainingSpeech(self.frames, features, config.versions, self.standardise, seed)
        held_out = self.store.frames("validation", self.config.speech.feature_settings, self.config.motion_size)
        reference = self.frames.faces(np.array([self.reference]))
        self.validation = RegressorValidation(
            self.config, held_out, self.mouth, self.standardise, reference, self.reference_map[None]
        )
        if self.config.motion:
            self.frames.rest  # noqa: B018 - computed here, where its progress is shown

    def batch(self, step: int) -> Batch:
        """See `Task.batch`, and `Regressor` for what is in it."""
        indices = batch_indices(len(self.frames), self.settings.batch_size, step, self.settings.seed)
        maps, nonspeech = self.speech(indices, step)
        return {"speech": maps, "motion": self.targets(indices, nonspeech)}

    def targets(self, indices: np.ndarray, at_rest: np.ndarray) -> np.ndarray:
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

    def validate(self, model: Regressor) -> tuple[dict[str, float | None], dict[str, Picture]]:
        """See `Task.validate`: `audio2faces.regressor.validation.RegressorValidation`."""
        values, rows = self.validation(model.network)
        return values, {"faces": partial(draw_rows, rows=rows)}

    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """See `Task.draw_curves`."""
        draw_curves(path, rows)


def choose_reference(frames: FrameSet, full: FrameSet) -> int:
    """A real face of the speaker at rest: the sharpest of the quiet frames whose mouth is most like that of the others.

    Sharpness is measured in full size: what is sharp there may not be among smaller faces, and the other way round.

    Args:
        frames: of the training clips, in the size of the motion.
        full: the same in full size.

    Returns:
        index of that frame.
    """
    quietest = frames.quietest(REST_FRAMES).ravel()
    faces = frames.faces(quietest)
    rows, columns = mouth_slices(faces.shape[1])
    mouths = to_signed(faces[:, rows, columns])
    distances = np.square(mouths - mouths.mean(axis=0)).sum(axis=(1, 2, 3))
    near = quietest[np.argsort(distances, kind="stable")[: -(-len(quietest) // NEAR)]]
    return int(max(near, key=lambda frame: sharpness(full.faces(np.array([frame])))))


@dataclass(frozen=True)
class TrainedRegressor:
    """A trained regressor and what it was trained on.

    Attributes:
        task: that it was trained by.
        network: the regressor in float32.
    """

    task: RegressorTask
    network: keras.Model

    @cached_property
    def maps(self) -> np.ndarray:
        """Maps of all training frames as the network takes them [shape=(frames, rows, coefficients)]."""
        return self.task.frames.standardised(self.task.standardise)

    @property
    def loudness(self) -> dict[str, np.ndarray]:
        """How loud the speech is at each frame of each training clip, by the clip's name [shape=(frames,) each]."""
        frames = self.task.frames
        return {clip.name: loudness(maps) for clip, maps in zip(frames.clips, frames.maps, strict=True)}

    def motion(self, indices: np.ndarray) -> np.ndarray:
        """Motion of training frames as their speech tells it [shape=(n, motion_size, motion_size, 3)]."""
        return in_batches(self.network.predict_on_batch, self.maps[indices], padded=False).astype(np.float32)

    def face(self, name: str) -> FaceModel:
        """The `FaceModel` without articulation and refiner, named after its run."""
        task, reference = self.task, self.task.full.faces(np.array([self.task.reference]))[0]
        return FaceModel(
            name=name,
            config=task.config,
            frame_rate=task.store.dataset.frame_rate,
            statistics=task.statistics,
            network=self.network,
            reference=reference,
            reference_map=task.reference_map,
            likeness=Likeness.fit(reference, task.frames.some_faces(LIKENESS_FACES)),
        )


def train_regressor(config: RegressorConfig, store: FrameStore, run_dir: Path) -> TrainedRegressor:
    """Trains a regressor, or resumes an interrupted run.

    A run folder holds what `loop.train` leaves, config.json and mouth.npz (components, computed once).

    Args:
        config: settings.
        store: of a dataset with faces of `config.size` pixels.
        run_dir: folder of the run, made where missing.

    Raises:
        InputError: the dataset lacks a split, the run folder belongs to another configuration, or the loss is NaN or
            infinite.
    """
    config = with_precision(config)
    for split in ("train", "validation"):
        store.dataset.split(split)  # refused before a run is made
    encoder = encoder_of(config)
    notes = {ENCODER_WEIGHTS: encoder.fingerprint} if encoder else {}
    run_dir = open_run(run_dir, RunSettings(MODES["regressor"], config, store.dataset.fingerprint, notes))
    task = RegressorTask(config, store, run_dir, encoder)
    if not config.decoder_widths:
        if not config.frozen:
            task.encoder = adapted_encoder(task)
        return TrainedRegressor(task, fitted_network(task))
    model = train(task, run_dir)
    load_weights(run_dir / BEST, model)
    return TrainedRegressor(task, in_float32(build_regressor, config, model.network))


def adapted_encoder(task: RegressorTask) -> SavedEncoder:
    """The encoder, trained further on the speaker's mouth motion: ten times as fast as through a decoder.

    Training on one voice forgets others. The mean of the weights before and after follows the speaker nearly as well,
    and others much better (Wortsman et al., Robust fine-tuning of zero-shot models, 2022; docs/speech-encoder.md).
    """
    config = SpeechEncoderConfig(task.config.speech, training=task.config.training)
    voice = Voice(task.store, config.speech.feature_settings)
    start = task.encoder
    assert start
    adapted = trained_encoder(SpeechEncoderTask(config, [voice], start), task.run_dir)
    weights = zip(start.network.get_weights(), adapted.network.get_weights(), strict=True)
    adapted.network.set_weights([before + task.config.adapted * (after - before) for before, after in weights])
    return adapted


def fitted_network(task: RegressorTask) -> keras.Model:
    """A regressor with a linear decoder, which no step trains; the folder of the run keeps its weights."""
    model = task.build()

    def fit() -> dict[str, np.ndarray]:
        task.prepare()
        held_out, weights = task.validation.frames, model.mouth_weights
        return fit_linear_decoder(model.network, task.frames, task.speech, held_out, task.standardise, weights)

    fitted = computed_once(task.run_dir / DECODER, fit)
    model.network.get_layer(LINEAR_DECODER).set_weights([fitted["kernel"], fitted["bias"]])
    return model.network


def in_float32(build: Callable[[Any], keras.Model], config: Any, network: keras.Model) -> keras.Model:
    """The same network in float32, for use: built again with its weights."""
    plain = build(config)
    plain.set_weights(network.get_weights())
    return without_xla(plain)
