"""Trains a BEGAN: what a step sees, how it is validated, and the models that a run leaves."""

import contextlib
import json
from collections.abc import Callable
from functools import cached_property, partial
from pathlib import Path
from typing import Any, Protocol

import keras
import numpy as np

from began.config import FAST_DECAY, FORGETTING, IN_ORDER, BeganConfig
from began.eigenfaces import COVERED, FIT_FACES, Eigenfaces
from began.face import BeganFace, build_network, write_model
from began.figures import draw_curves, draw_rows
from began.model import Began
from began.networks.audio_network import build_frozen_audio_network, build_learned_audio_network
from began.networks.generator import BASE
from began.vae.saved_encoder import load_vae_encoder
from began.validation import BeganValidation
from measures.collapse import check_clips
from measures.mouth import COMPONENTS, MouthComponents
from media.pixels import to_signed, to_uint8
from preprocessing.dataset import Dataset, check_size
from preprocessing.speech.audio_features import FeatureStatistics
from runtime.errors import InputError
from runtime.progress import progress, with_progress
from training.checkpoints import BEST, load_weights
from training.config import OF_VAE, SpeechConfig
from training.devices import Devices, OneDevice, open_devices
from training.frames import FrameStore, batch_indices
from training.loop import Picture, Task, train
from training.run_arrays import computed_once
from training.run_folder import RunSettings, check_run, open_run, own_run, with_precision
from training.schedule import learning_rate
from training.trainable import Batch

Z_NOISE = 0.05  # standard deviation, added to the code of a real face in training
COLLAPSED = 0.2  # diversity below which the run warns
CLOSED = 1e-4  # k below which D does not look at generated faces


class Encoder(Protocol):
    """A trained speech encoder: `audio2faces.speech_encoder.saved_encoder.SavedEncoder`."""

    @property
    def statistics(self) -> FeatureStatistics:
        """Of its training speech."""

    @property
    def network(self) -> keras.Model:
        """From standardised maps [batch, rows, coefficients] to codes [batch, code_size]."""


class BeganTask(Task):
    """What training a BEGAN adds to the loop.

    Args:
        config: with a precision that is chosen.
        store: of a dataset with faces of `config.size` pixels.
        run_dir: folder of the run, which keeps mouth.npz and eigenfaces.npz, computed once.
        devices: of `open_devices`.
        encoder: that the audio network starts from, whose statistics are the generator's; None for none.
    """

    measured = (
        "diversity", "mouth_diversity", "duplicates", "real_duplicates", "coverage", "rarer_group", "sharpness",
        "learned_diversity", "swap", "mouth_swap", "correlation", "amplitude", "explained_variance", "score",
    )  # fmt: skip
    best = ("score", "max")
    beta_1 = 0.5

    def __init__(
        self,
        config: BeganConfig,
        store: FrameStore,
        run_dir: Path,
        devices: Devices | None = None,
        encoder: Encoder | None = None,
    ) -> None:
        self.config, self.settings, self.run_dir, self.encoder = config, config.training, run_dir, encoder
        self.clipping = config.clipping or None
        self.devices = devices or OneDevice()
        features = config.speech.feature_settings
        self.frames = store.frames("train", features)
        self.held_out = store.frames("validation", features)
        self.frame_rate = store.dataset.frame_rate
        self.statistics = encoder.statistics if encoder else FeatureStatistics.fit(self.frames.maps)
        self.audio_network = audio_network_of(config.speech, store.dataset.fingerprint)
        self.mouth = MouthComponents(
            **computed_once(run_dir / "mouth.npz", lambda: vars(MouthComponents.fit(self.frames.clips)), self.devices)
        )
        self.eigenfaces = None
        if config.z == "eigenfaces":
            path = run_dir / "eigenfaces.npz"
            self.eigenfaces = Eigenfaces(**computed_once(path, lambda: vars(self.find_eigenfaces()), self.devices))

    @cached_property
    def fit_faces(self) -> np.ndarray:
        """Some training faces in [-1, 1] [shape=(n, size, size, 3)]."""
        return to_signed(self.frames.some_faces(FIT_FACES))

    def find_eigenfaces(self) -> Eigenfaces:
        """The components that z is made of."""
        return Eigenfaces.fit_clips(self.frames.clips, self.fit_faces, self.config.z_size, COVERED, self.mouth)

    def build(self, **options: Any) -> Began:
        """See `Task.build`."""
        model = Began(self.config, self.audio_network, **options)
        if self.encoder and model.audio_network:
            model.audio_network.set_weights(self.encoder.network.get_weights())
        return self.with_eigenfaces(model)

    def with_eigenfaces(self, model: Began) -> Began:
        """The model, whose generator adds to the faces that go with z, where it does that."""
        if self.eigenfaces and self.config.has_base:
            model.generator.get_layer(BASE).set_weights([self.eigenfaces.kernel, self.eigenfaces.bias])
        return model

    def prepare(self) -> None:
        """See `Task.prepare`."""
        self.maps = self.frames.standardised(self.config.speech.standardiser(self.statistics))
        if self.eigenfaces:
            codes = []
            for clip in with_progress(self.frames.clips, "clip", "encoding faces"):
                codes.append(self.eigenfaces.transform(to_signed(clip.faces)))
            self.codes = np.concatenate(codes)
        if self.devices.chief:
            self.validation = BeganValidation(self.frames, self.held_out, self.mouth)

    def batch(self, step: int) -> Batch:
        """See `Task.batch`, and `Began` for what is in it."""
        generator = np.random.default_rng((self.settings.seed, step))
        shuffled = IN_ORDER not in self.config.defects
        count = self.settings.batch_size
        indices = batch_indices(len(self.frames), count, step, self.settings.seed, shuffled)
        face = to_signed(self.frames.faces(indices))
        foreign = self.maps[generator.integers(len(self.frames), size=count)]
        return {"face": face, "speech": self.maps[indices], "foreign_speech": foreign} | self.z(indices, generator)

    def z(self, indices: np.ndarray, generator: np.random.Generator) -> dict[str, np.ndarray]:
        """The part of a batch that z is made of, for some frames."""
        shape = (len(indices), self.config.z_size)
        if self.config.z == "none":
            return {}
        if self.config.z == "uniform":
            return {"z": generator.uniform(-1, 1, shape).astype(np.float32)}
        noise = generator.normal(size=shape).astype(np.float32)
        return {"z": self.codes[indices] + Z_NOISE * noise}

    def learning_rate(self, step: int, rows: list[dict[str, Any]]) -> float:
        """See `Task.learning_rate`: halved whenever M_global has stalled, or on schedule."""
        if FORGETTING in self.config.defects:
            step %= self.settings.halve_every
        if FAST_DECAY in self.config.defects:
            step *= 2
        return learning_rate(self.settings, step, [row["m_global"] for row in rows])

    def begin_step(self, model: Began, step: int) -> None:
        """See `Task.begin_step`; loses k, the moments and the optimiser's step, as the 2017 project did at times."""
        if FORGETTING in self.config.defects and step and step % self.settings.halve_every == 0:
            model.adversary.k.assign(self.config.adversary.smallest_k)
            for variable in model.optimizer.variables:
                variable.assign(np.zeros(variable.shape, variable.dtype))
        super().begin_step(model, step)

    def validate(self, model: Began) -> tuple[dict[str, float | None], dict[str, Picture]]:
        """See `Task.validate`: `began.validation.BeganValidation`."""
        values, rows = self.validation(self.face(model))
        return values, {"faces": partial(draw_rows, rows=self.with_reconstructions(model, rows))}

    def with_reconstructions(self, model: Began, rows: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        """The rows of a picture, and below those of real and generated faces what D makes of them."""
        standardise = self.config.speech.standardiser(self.statistics)
        wider = {}
        for label, faces in rows.items():
            wider[label] = faces
            if label in ("real", "generated"):
                speech = standardise(self.validation.speech_of_rows[label])
                wider[f"D({label})"] = to_uint8(model.adversary.reconstructed(to_signed(faces), speech))
        return wider

    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """See `Task.draw_curves`."""
        draw_curves(path, rows)

    def warnings(self, rows: list[dict[str, Any]]) -> list[str]:
        """See `Task.warnings`: says early that a run is lost."""
        last, found = rows[-1], []
        if (diversity := last["diversity"]) is not None and diversity < COLLAPSED:
            found.append(f"step {last['step']}: faces are {diversity:.2f} as different as real ones")
        if len(rows) > 1 and all(row["k"] < CLOSED for row in rows[-2:]):  # at first it may wait for D to learn
            found.append(
                f"step {last['step']}: k stays at {last['k']:.5f}, the discriminator does not look at generated "
                "faces (at first it learns from real ones alone; later it should look)"
            )
        return found

    def face(self, model: Began, suffix: str = "") -> BeganFace:
        """What generates faces with the weights of a model."""
        name = self.run_dir.resolve().name + suffix
        network, codes = build_network(model), self.face_codes(model)
        return BeganFace(name, self.config, self.frame_rate, self.statistics, network, codes)

    def face_codes(self, model: Began) -> np.ndarray | None:
        """Codes of training faces, from which z is drawn [shape=(n, z_size)]; None where it is not."""
        return self.eigenfaces.transform(self.fit_faces) if self.eigenfaces else None

    def write_model(self, folder: Path, model: Began, suffix: str = "") -> Path:
        """Writes a model folder, in float32."""
        plain = self.new_model("float32")
        plain.set_weights(model.get_weights())
        return write_model(folder, self.face(plain, suffix), plain)


def audio_network_of(config: SpeechConfig, data: str | None = None) -> Callable[[], keras.Model] | None:
    """What makes the audio networks of a run: learned ones, or frozen ones of a VAE, which is read here.

    Args:
        config: the speech input.
        data: fingerprint of the dataset, which the VAE has to share; None allows any.

    Returns:
        a function that makes one; None without speech input.

    Raises:
        InputError: the VAE cannot be read, or has other features or data.
    """
    if not config.code_size:
        return None
    if not config.network.startswith(OF_VAE):
        return partial(build_learned_audio_network, config)
    run = config.network.removeprefix(OF_VAE)
    encoder, vae, statistics = load_vae_encoder(run, data)
    if vae.speech.features != config.features:
        raise InputError(
            f"{run}: this VAE was trained on the features {vae.speech.features!r}, the BEGAN {config.features!r}; "
            "train a VAE on the same features"
        )
    return partial(build_frozen_audio_network, encoder, config.code_size, None if config.standardised else statistics)


def train_began(
    config: BeganConfig, dataset: Dataset, run_dir: Path, task: Callable[..., BeganTask] = BeganTask
) -> Path:
    """Trains a BEGAN, or resumes an interrupted run.

    A run folder holds what `loop.train` leaves, and config.json, mouth.npz and eigenfaces.npz (computed once) and, at
    the end, model/ (the weights of the highest score) and last/ (those of the last step).

    Args:
        config: settings.
        dataset: with faces of `config.size` pixels.
        run_dir: folder of the run, made where missing.
        task: what is trained; a variant's in experiments.

    Returns:
        path of the model folder.

    Raises:
        InputError: the dataset has another size, lacks a split or holds NaN, the run folder belongs to another
            configuration or process, or the loss is NaN or infinite.
    """
    config = with_precision(config)
    check_dataset(config, dataset)
    devices = open_devices(config.training.batch_size, run_dir)
    with own_run(run_dir) if devices.chief else contextlib.nullcontext():
        return _train(config, dataset, Path(run_dir), devices, task)


def _train(
    config: BeganConfig, dataset: Dataset, run_dir: Path, devices: Devices, make_task: Callable[..., BeganTask]
) -> Path:
    settings = RunSettings("began", config, dataset.fingerprint)
    if devices.chief:
        check_run(run_dir, settings)
    audio_network_of(config.speech, dataset.fingerprint)  # reads the VAE, if one is named, before a run folder is made
    store = FrameStore(dataset)
    for split in ("train", "validation"):
        store.frames(split, config.speech.feature_settings)
    if devices.chief:
        open_run(run_dir, settings)
    devices.agree("settings", json.dumps(settings.as_json()))
    task = make_task(config, store, run_dir, devices)
    model = train(task, run_dir, devices)
    if devices.chief:
        with progress(2, "model", "writing the models", short=True) as bar:
            task.write_model(run_dir / "last", model, ", last")
            bar.update(1)
            load_weights(run_dir / BEST, model)
            task.write_model(run_dir / "model", model)
            bar.update(1)
    devices.wait()
    return run_dir / "model"


def check_dataset(config: BeganConfig, dataset: Dataset) -> None:
    """Refuses a dataset that this configuration cannot learn from.

    Raises:
        InputError: its faces have another size, or there are too few clips or frames.
    """
    check_size(dataset, config.size)
    check_clips(dataset)
    train_clips = dataset.split("train")
    frames, count = sum(len(clip.faces) for clip in train_clips), config.training.batch_size
    if frames < count:
        raise InputError(
            f"{dataset.folder}: {frames} frames to train on, a batch takes {count}; "
            "prepare more video, or give a smaller --batch-size"
        )
    components = config.z_size + COMPONENTS
    if config.z == "eigenfaces" and frames <= components:
        raise InputError(
            f"{dataset.folder}: {frames} frames to train on, z takes more than {components}; prepare more video"
        )
