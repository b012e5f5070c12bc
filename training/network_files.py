"""Networks in .keras files."""

import tempfile
import zipfile
from pathlib import Path

import keras
import numpy as np


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


def load_network(path: Path) -> keras.Model:
    """Reads a .keras file. Its checksums are compared first: of some damage Keras itself only warns.

    Raises:
        one of `training.checkpoints.DAMAGED`: the file is missing or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    return keras.models.load_model(path, compile=False)
