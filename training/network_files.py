"""Networks in .keras files."""

import zipfile
from pathlib import Path

import keras


def load_network(path: Path) -> keras.Model:
    """Reads a .keras file. Its checksums are compared first: of some damage Keras itself only warns.

    Raises:
        one of `training.checkpoints.DAMAGED`: the file is missing or damaged.
    """
    with zipfile.ZipFile(path) as archive:
        if damaged := archive.testzip():
            raise zipfile.BadZipFile(f"wrong checksum of {damaged}")
    return keras.models.load_model(path, compile=False)
