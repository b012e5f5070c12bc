"""Reads the networks of a model folder, whose layers Keras has to know."""

from pathlib import Path

import keras

from audio2faces.refiner.network import PaintedLowerFace  # noqa: F401 - Keras knows layers once they are imported
from began.networks.inference import without_xla
from training.network_files import load_network


def load_face_network(path: Path) -> keras.Model:
    """Reads a .keras file of a model folder."""
    return without_xla(load_network(path))
