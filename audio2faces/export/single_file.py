"""A model as one file, for ONNX Runtime or LiteRT, that does what the signature `features` of a SavedModel does."""

import tempfile
from pathlib import Path
from typing import Any

from audio2faces.export.onnx_model import MISSING, OPSET
from runtime.errors import InputError
from runtime.files import atomic_write
from runtime.tensorflow_files import written_by_tensorflow


def write_onnx(model: Any, path: str | Path) -> Path:
    """Writes an ONNX file: from raw MFCC maps to frames, any number at once, the head held still.

    Args:
        model: `FaceModel` or `began.face.BeganFace`.
        path: of the file, replaced whole or not at all.

    Returns:
        the path.

    Raises:
        InputError: tf2onnx is not installed, or the file cannot be written.
    """
    import tensorflow as tf

    try:
        import tf2onnx
    except ImportError:
        raise InputError(f"{path}: {MISSING}") from None
    face, specification = _face_and_maps(model, "float32", frames=None)
    function = tf.function(face.together, [specification])
    with atomic_write(path) as partial:
        tf2onnx.convert.from_function(function, [specification], opset=OPSET, output_path=str(partial))
    return Path(path)


def write_litert(model: Any, path: str | Path, dtype: str = "float32") -> Path:
    """Writes a LiteRT file: from one raw MFCC map to its frame, the head held still.

    Args:
        model: as for `write_onnx`.
        path: of the file, replaced whole or not at all.
        dtype: of the weights, "float32" or "float16".

    Returns:
        the path.
    """
    import tensorflow as tf

    face, specification = _face_and_maps(model, dtype, frames=1)
    with written_by_tensorflow(path), tempfile.TemporaryDirectory() as scratch, atomic_write(path) as partial:
        tf.saved_model.save(face, scratch, {"features": tf.function(face.together, [specification])})
        converter = tf.lite.TFLiteConverter.from_saved_model(scratch, signature_keys=["features"])
        if dtype == "float16":
            converter.optimizations = [tf.lite.Optimize.DEFAULT]
            converter.target_spec.supported_types = [tf.float16]
        partial.write_bytes(converter.convert())
    return Path(path)


def _face_and_maps(model: Any, dtype: str, frames: int | None) -> tuple[Any, Any]:
    """The model in a graph, and what `features` takes for so many frames."""
    import tensorflow as tf

    from audio2faces.export.graph import ServedFace

    face = ServedFace(model, dtype, still=True)
    return face, tf.TensorSpec([frames, face.features.rows, face.features.coefficients], tf.float32, "maps")
