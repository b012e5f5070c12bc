"""Trains a BEGAN, whose audio network may start from a speech encoder."""

from functools import partial
from pathlib import Path

import began.training
from audio2faces.speech_encoder.saved_encoder import encoder_of
from began.config import BeganConfig
from began.training import BeganTask
from preprocessing.dataset import Dataset


def train_began(config: BeganConfig, dataset: Dataset, run_dir: Path) -> Path:
    """See `began.training.train_began`.

    Raises:
        InputError: as there, or there is no such encoder.
    """
    return began.training.train_began(config, dataset, run_dir, partial(BeganTask, encoder=encoder_of(config)))
