"""The networks of a model folder as Keras files."""

import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np

from audio2faces.refiner.network import PaintedLowerFace  # noqa: F401 - Keras knows layers once they are imported
from began.networks.inference import without_xla
from training.network_files import load_network


def save_network(path: str | Path, network: keras.Model) -> None:
    """Writes a .keras file with weights rounded to float16, though still float32, and packed: half the size.

    Keras reads it as any other; a face changes by less than half a grey level.
    """
    rounded = keras.models.clone_model(network)
    rounded.set_weights([weight.astype(np.float16).astype(weight.dtype) for weight in network.get_weights()])
    with tempfile.TemporaryDirectory() as scratch:
        plain = Path(scratch) / "network.keras"
        rounded.save(plain)
        with zipfile.ZipFile(plain) as source, zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as packed:
            for entry in source.infolist():
                packed.writestr(entry.filename, source.read(entry))


def load_face_network(path: Path) -> keras.Model:
    """Reads a .keras file of a model folder."""
    return without_xla(load_network(path))
