"""A model folder for ONNX Runtime: `generate.py` takes it as any other, and loads neither Keras nor TensorFlow."""

from pathlib import Path
from typing import Any

import numpy as np

from audio2faces.published import is_onnx
from audio2faces.trained.face import FaceModel, write_folder
from audio2faces.trained.onnx_network import OnnxNetwork
from runtime.errors import InputError
from runtime.files import atomic_write

OPSET = 18
LARGE = 1000  # values from which on weights are stored as float16, as in .keras files of a model folder
CARD_TEXT = """# {name}, for ONNX Runtime

The networks of the model {name} as ONNX files, written by `audio2faces.export`, and its other files as they are. It
makes the same faces within one grey level, and needs neither Keras nor TensorFlow. Data, licence, measures and limits
are those on the card of {name}.

The face is a real person's. Use it with that person's consent, and do not pass a video off as a recording.
"""
MISSING = "an ONNX file needs another package: pip install 'tf2onnx>=1.17,<2'"


def write_onnx_model(model: Any, folder: str | Path) -> Path:
    """Writes a model folder whose networks are ONNX files, whole or not at all.

    Args:
        model: `FaceModel`.
        folder: where to; an older one of this kind is replaced.

    Returns:
        path of the folder.

    Raises:
        InputError: tf2onnx is not installed, the model is a BEGAN's, or the folder holds something else.
    """
    folder = Path(folder)
    if not isinstance(model, FaceModel):
        raise InputError(f"{model.name}: a BEGAN cannot be written as an ONNX model folder; use --onnx or --out")
    if folder.exists() and any(folder.iterdir()) and not is_onnx(folder):
        raise InputError(f"{folder}: this folder holds something else; choose another")
    try:
        import tf2onnx  # noqa: F401
    except ImportError:
        raise InputError(f"{folder}: {MISSING}") from None
    return write_folder(folder, model, ".onnx", write_network, CARD_TEXT.format(name=model.name))


def write_network(path: Path, network: Any) -> None:
    """Writes a `keras.Model` as an ONNX file, for any number of inputs at once."""
    import onnx
    import tensorflow as tf
    import tf2onnx

    specifications = [
        tf.TensorSpec([None, *given.shape[1:]], tf.float32, OnnxNetwork.input_name(place))
        for place, given in enumerate(network.inputs)
    ]

    def call(*given):
        return network(given if len(given) > 1 else given[0], training=False)

    function = tf.function(call, specifications)
    converted, _ = tf2onnx.convert.from_function(function, specifications, opset=OPSET)
    _store_halves(converted.graph)
    with atomic_write(path) as partial:
        onnx.save(converted, str(partial))


def _store_halves(graph: Any) -> None:
    """Stores large weights as float16; ONNX Runtime makes them float32 when it loads the file."""
    from onnx import TensorProto, helper, numpy_helper

    casts = []
    for place, weight in enumerate(graph.initializer):
        values = numpy_helper.to_array(weight)
        if values.dtype == np.float32 and values.size >= LARGE:
            half = numpy_helper.from_array(values.astype(np.float16), f"{weight.name}/half")
            casts.append(helper.make_node("Cast", [half.name], [weight.name], to=TensorProto.FLOAT))
            graph.initializer[place].CopyFrom(half)
    nodes = [*casts, *graph.node]
    del graph.node[:]
    graph.node.extend(nodes)
