"""A network for ONNX Runtime, which starts in a fraction of a second: neither Keras nor TensorFlow is loaded."""

from pathlib import Path
from typing import Any

import numpy as np

from runtime.errors import InputError


class OnnxNetwork:
    """A network that `audio2faces.export` wrote as an ONNX file, called as a Keras one is.

    Args:
        path: of the file.

    Attributes:
        inputs: descriptions of what it takes.

    Raises:
        InputError: ONNX Runtime is not installed, or the file is damaged.
    """

    def __init__(self, path: Path) -> None:
        try:
            import onnxruntime
        except ImportError:
            raise InputError(f"{path}: needs another package: pip install 'onnxruntime>=1.20,<2'") from None
        try:
            self._session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
        except Exception as error:  # of many kinds, all of them its own
            raise InputError(f"{path}: damaged ({error}); export the model again") from None
        self.inputs = self._session.get_inputs()

    @staticmethod
    def input_name(place: int) -> str:
        """Name of an input in the file."""
        return f"input_{place}"

    def predict_on_batch(self, inputs: np.ndarray | list[np.ndarray]) -> Any:
        """What it makes of any number of inputs at once: float32 arrays [shape=(n, ...)], one or a list."""
        given = inputs if isinstance(inputs, list) else [inputs]
        return self._session.run(None, {self.input_name(place): value for place, value in enumerate(given)})[0]
