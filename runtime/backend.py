"""Keras and the backend that it runs on: which are installed, and how they are loaded."""

import importlib.util
import os
import sys
from pathlib import Path

from runtime.errors import INSTALL_TRAINING, InputError
from runtime.program import open_descriptors

BACKENDS = {"tensorflow": "TensorFlow", "jax": "JAX"}  # of Keras, which the networks run on
EPSILON = 1e-7  # Keras's own


def check_backend() -> None:
    """Refuses a backend of Keras that the networks cannot run on; programs call it before they spend seconds.

    Raises:
        InputError: KERAS_BACKEND names one that they do not run on, or that is not installed.
    """
    backend = os.environ["KERAS_BACKEND"]
    if backend not in BACKENDS:
        raise InputError(f"KERAS_BACKEND={backend}: the networks run on {' or '.join(BACKENDS)}; unset KERAS_BACKEND")
    if importlib.util.find_spec(backend) is None:
        if backend == "tensorflow":
            raise InputError(f"this needs TensorFlow, which is not installed; {INSTALL_TRAINING}")
        raise InputError(f"KERAS_BACKEND={backend}: {BACKENDS[backend]} is not installed; pip install {backend}")


def keras_installed() -> bool:
    """Whether there is what the networks of .keras files need; those of ONNX files do without."""
    return all(importlib.util.find_spec(name) is not None for name in ("keras", os.environ["KERAS_BACKEND"]))


def import_keras() -> None:
    """Imports Keras and its backend without the lines that TensorFlow's libraries print while they load.

    What the user's keras.json says of layout, type and epsilon is replaced by what the networks are made for.
    oneDNN's convolutions, which TensorFlow leaves off on processors without AVX-512, are turned on: they make training
    steps 1.4 to 1.7 times as fast on one that has AVX2 alone.

    Raises:
        InputError: as for `check_backend`, or Keras cannot read its keras.json.
    """
    check_backend()
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    os.environ.setdefault("TF_ENABLE_ONEDNN_OPTS", "1")
    open_descriptors()
    if sys.stderr is not None:
        sys.stderr.flush()
    terminal = os.dup(2)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    try:
        import keras
    except (AttributeError, ValueError) as error:
        place = Path(os.environ.get("KERAS_HOME", "~/.keras")) / "keras.json"
        raise InputError(f"Keras cannot be loaded: {error}; correct or delete {place}") from error
    finally:
        os.dup2(terminal, 2)
        os.close(terminal)
        os.close(nowhere)
    keras.config.set_image_data_format("channels_last")
    keras.config.set_floatx("float32")
    keras.config.set_epsilon(EPSILON)
