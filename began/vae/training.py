"""Trains the audio VAE: what a step sees, how it is validated, and the encoder that a run leaves."""

from pathlib import Path
from typing import Any

import numpy as np

from began.vae.config import VaeConfig
from began.vae.model import Vae, map_scaling
from began.vae.pictures import draw_vae_curves
from began.vae.saved_encoder import save_vae
from began.vae.validation import VaeValidation
from preprocessing.dataset import Dataset
from preprocessing.speech.audio_features import FeatureStatistics
from training.checkpoints import BEST, load_weights
from training.frames import FrameStore, batch_indices
from training.loop import Picture, Task, train
from training.run_folder import RunSettings, open_run, own_run
from training.trainable import Batch


class VaeTask(Task):
    """What training a VAE adds to the loop.

    Args:
        config: its settings.
        store: of a dataset, its faces of any size.
    """

    measured = ("validation_loss", "map_error", "mean_map_error", "kl_divergence", "active_units", "explained_variance")
    best = ("validation_loss", "min")

    def __init__(self, config: VaeConfig, store: FrameStore) -> None:
        self.config, self.settings = config, config.training
        self.frames, self.held_out = (
            store.frames(split, config.speech.feature_settings) for split in ("train", "validation")
        )
        self.statistics = FeatureStatistics.fit(self.frames.maps)

    def build(self, **options: Any) -> Vae:
        """See `Task.build`."""
        return Vae(self.config, self.statistics, **options)

    def prepare(self) -> None:
        """See `Task.prepare`."""
        self.maps = self.frames.standardised(lambda maps: self.statistics.standardise(maps, np.inf))
        scaling = map_scaling(self.config.speech.network.startswith("2017"), self.statistics)
        self.validation = VaeValidation(scaling, self.maps, self.held_out, self.statistics)

    def batch(self, step: int) -> Batch:
        """See `Task.batch`, and `Vae` for what is in it."""
        seed, count = self.settings.seed, self.settings.batch_size
        indices = batch_indices(len(self.frames), count, step, seed)
        shape = count, self.config.speech.code_size
        return {
            "map": self.maps[indices],
            "noise": np.random.default_rng((seed, step)).standard_normal(shape, np.float32),
        }

    def validate(self, model: Vae) -> tuple[dict[str, float | None], dict[str, Picture]]:
        """See `Task.validate`: `began.vae.validation.VaeValidation`."""
        values, seen = self.validation(model)
        return values, self.validation.pictures(model, seen)

    def draw_curves(self, path: Path, rows: list[dict[str, Any]]) -> None:
        """See `Task.draw_curves`."""
        draw_vae_curves(path, rows)


def train_vae(config: VaeConfig, dataset: Dataset, run_dir: Path) -> Path:
    """Trains a VAE on the speech of a dataset, or resumes an interrupted run.

    A run folder holds what `loop.train` leaves, config.json and, at the end, vae/ (`saved_encoder`).

    Args:
        config: settings.
        dataset: its faces of any size.
        run_dir: folder of the run, made where missing.

    Returns:
        path of vae/.

    Raises:
        InputError: the dataset lacks a split or the sound that the features need, the run folder belongs to another
            configuration or process, or the loss is NaN or infinite.
    """
    with own_run(run_dir) as run_dir:
        store = FrameStore(dataset)
        for split in ("train", "validation"):
            dataset.split(split)  # refused before a run is made
        open_run(run_dir, RunSettings("vae", config, dataset.fingerprint))
        task = VaeTask(config, store)
        model = train(task, run_dir)
        load_weights(run_dir / BEST, model)
        return save_vae(run_dir, config, dataset.fingerprint, task.statistics, model.mean_encoder())
