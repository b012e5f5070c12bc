"""Trains a speech encoder: what a step sees, and the encoder that a run leaves."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from audio2faces.speech_encoder.config import SpeechEncoderConfig
from audio2faces.speech_encoder.network import SpeechEncoder
from audio2faces.speech_encoder.saved_encoder import SavedEncoder, save_encoder
from audio2faces.speech_encoder.validation import SpeechEncoderValidation
from audio2faces.speech_encoder.voices import Voice
from audio2faces.training_speech import TrainingSpeech
from began.figures import draw_panels
from began.networks.audio_network import build_learned_audio_network
from preprocessing.dataset import Dataset
from preprocessing.speech.audio_features import FeatureStatistics
from training.checkpoints import BEST, load_weights
from training.frames import FrameStore
from training.loop import Picture, Task, train
from training.run_folder import RunSettings, open_run, own_run, with_precision
from training.trainable import Batch

MODE = "speech encoder"  # in config.json


class SpeechEncoderTask(Task):
    """What training a speech encoder adds to the loop.

    Args:
        config: with a precision that is chosen.
        voices: of the speakers.
        start: encoder whose weights and statistics it starts from; None for none.
    """

    description = "training the speech encoder"
    measured = ("validation_loss", "correlation", "lowest_correlation", "shared_correlation")
    best = ("validation_loss", "min")

    def __init__(self, config: SpeechEncoderConfig, voices: Sequence[Voice], start: SavedEncoder | None = None) -> None:
        self.config, self.settings, self.voices, self.start = config, config.training, voices, start
        if start:
            self.statistics = start.statistics
        else:
            self.statistics = pooled([FeatureStatistics.fit(voice.frames.maps) for voice in voices])
        self.standardise = config.speech.standardiser(self.statistics)
        minutes = np.sqrt([len(voice.frames) for voice in voices])
        self.shares = minutes / minutes.sum()  # one with a hundred times the speech is drawn ten times as often

    def build(self, **options: Any) -> SpeechEncoder:
        """See `Task.build`."""
        model = SpeechEncoder(self.config, len(self.voices), **options)
        if self.start:
            model.audio_network.set_weights(self.start.network.get_weights())
        return model

    def prepare(self) -> None:
        """See `Task.prepare`."""
        config = self.config
        features = config.speech.feature_settings
        self.speech = []
        for voice in self.voices:
            versions = config.versions(len(voice.frames))
            self.speech.append(TrainingSpeech(voice.frames, features, versions, self.standardise, config.training.seed))
            voice.rest  # noqa: B018 - computed here, where its progress is shown
        self.validation = SpeechEncoderValidation(self.voices, self.standardise)

    def batch(self, step: int) -> Batch:
        """See `Task.batch`, and `SpeechEncoder` for what is in it."""
        count = self.settings.batch_size
        generator = np.random.default_rng((self.settings.seed, step))
        speakers = np.sort(generator.choice(len(self.voices), count, p=self.shares))
        maps, mouth = [], []
        for number in np.unique(speakers):
            voice = self.voices[number]
            indices = generator.integers(len(voice.frames), size=int((speakers == number).sum()))
            of_voice, nonspeech = self.speech[number](indices, step)
            maps.append(of_voice)
            at_rest = voice.rest[voice.frames.clip_of[indices]]
            mouth.append(np.where(nonspeech[:, None], at_rest, voice.mouth[indices]))
        return {
            "speech": np.concatenate(maps),
            "mouth": np.concatenate(mouth).astype(np.float32),
            "speaker": speakers.astype(np.int32),
        }

    def validate(self, model: SpeechEncoder) -> tuple[dict[str, float | None], dict[str, Picture]]:
        """See `Task.validate`: `audio2faces.speech_encoder.validation.SpeechEncoderValidation`."""
        return self.validation(model), {}

    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """See `Task.draw_curves`."""
        panels = {
            "loss": ("loss", "validation_loss"),
            "mouth motion on validation clips": ("correlation", "lowest_correlation", "shared_correlation"),
        }
        draw_panels(path, rows, panels)


def pooled(statistics: Sequence[FeatureStatistics]) -> FeatureStatistics:
    """Statistics over all speakers, each counting as one however long it speaks."""
    means, variances = (
        np.stack(values) for values in zip(*((s.mean, s.deviation**2) for s in statistics), strict=True)
    )
    return FeatureStatistics(means.mean(axis=0), np.sqrt(variances.mean(axis=0) + means.var(axis=0)))


def trained_encoder(task: SpeechEncoderTask, run_dir: Path) -> SavedEncoder:
    """Takes the steps of a run that are left; returns the best encoder, in float32."""
    model = train(task, run_dir)
    load_weights(run_dir / BEST, model)
    network = build_learned_audio_network(task.config.speech)
    network.set_weights(model.audio_network.get_weights())
    return SavedEncoder(run_dir.resolve().name, task.config.speech, task.statistics, network)


def train_speech_encoder(config: SpeechEncoderConfig, datasets: Sequence[Dataset], run_dir: Path) -> Path:
    """Trains a speech encoder on the datasets of several speakers, or resumes an interrupted run.

    A run folder holds what `loop.train` leaves, config.json and, at the end, speech-encoder/ (`saved_encoder`).

    Args:
        config: settings.
        datasets: one of each speaker, their faces of any size.
        run_dir: folder of the run, made where missing.

    Returns:
        path of speech-encoder/.

    Raises:
        InputError: a dataset lacks a split, the run folder belongs to another configuration or process, or the loss is
            NaN or infinite.
    """
    config = with_precision(config)
    for dataset in datasets:
        for split in ("train", "validation"):
            dataset.split(split)  # refused before a run is made
    with own_run(run_dir) as run_dir:
        fingerprint = " ".join(dataset.fingerprint for dataset in datasets)
        open_run(run_dir, RunSettings(MODE, config, fingerprint))
        voices = [Voice(FrameStore(dataset), config.speech.feature_settings) for dataset in datasets]
        saved = trained_encoder(SpeechEncoderTask(config, voices), run_dir)
        minutes = {v.name: round(d.training_minutes, 1) for v, d in zip(voices, datasets, strict=True)}
        return save_encoder(run_dir, saved, minutes)
