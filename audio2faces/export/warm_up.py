"""Requests that TensorFlow Serving warms up with, as it keeps them: `tensorflow.serving.PredictionLog`.

The published protocol comes in a package that nothing else here needs, so that the few fields in use are declared here.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import numpy as np

WARM_SECONDS = 1.0  # of silence in each request
PACKAGE = "audio2faces.warm_up"
TENSOR_FILE, TENSOR = "tensorflow/core/framework/tensor.proto", ".tensorflow.TensorProto"
STRING, MESSAGE, SINGLE, REPEATED = 9, 11, 1, 3  # of google.protobuf.FieldDescriptorProto
MESSAGES = {  # each with its fields: name, number, type (of a string None)
    "ModelSpec": (("name", 1, None), ("signature_name", 3, None)),
    "Input": (("key", 1, None), ("value", 2, TENSOR)),  # an entry of a map, which on the wire is a message
    "PredictRequest": (("model_spec", 1, "ModelSpec"), ("inputs", 2, "Input")),
    "PredictLog": (("request", 1, "PredictRequest"),),
    "PredictionLog": (("predict_log", 6, "PredictLog"),),
}


def warm_up_requests(face: Any) -> dict[str, dict[str, np.ndarray]]:
    """A small request for each signature of an `export.graph.ServedFace`: its inputs by their names."""
    count = int(WARM_SECONDS * face.features.sample_rate)
    around = face.context + face.look_ahead
    return {
        "serving_default": {"samples": np.zeros((1, count), np.float32), "lengths": np.array([count], np.int32)},
        "stream": {
            "samples": np.zeros((1, count + around), np.float32),
            "lengths": np.array([count + around], np.int32),
            "start": np.array([0], np.int32),
            "last": np.array([False]),
        },
        "features": {"maps": np.zeros((1, face.features.rows, face.features.coefficients), np.float32)},
    }


def prediction_log(model: str, signature: str, inputs: Mapping[str, np.ndarray]) -> bytes:
    """A request as TensorFlow Serving keeps it.

    Args:
        model: name.
        signature: name.
        inputs: from the name of an input to its array.

    Returns:
        a serialised `tensorflow.serving.PredictionLog`.
    """
    import tensorflow as tf

    log = _message_class()()
    request = log.predict_log.request
    request.model_spec.name, request.model_spec.signature_name = model, signature
    for name, array in inputs.items():
        entry = request.inputs.add()
        entry.key = name
        entry.value.CopyFrom(tf.make_tensor_proto(array))
    return log.SerializeToString()


@lru_cache
def _message_class() -> Any:
    """The class of a `PredictionLog`, declared once in a process."""
    from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

    file = descriptor_pb2.FileDescriptorProto(
        name="audio2faces/warm_up.proto", package=PACKAGE, syntax="proto3", dependency=[TENSOR_FILE]
    )
    for message, fields in MESSAGES.items():
        declared = file.message_type.add(name=message)
        for name, number, of in fields:
            field = declared.field.add(name=name, number=number, label=REPEATED if name == "inputs" else SINGLE)
            field.type = MESSAGE if of else STRING
            if of:
                field.type_name = of if of == TENSOR else f".{PACKAGE}.{of}"
    pool = descriptor_pool.Default()
    pool.Add(file)
    return message_factory.GetMessageClass(pool.FindMessageTypeByName(f"{PACKAGE}.PredictionLog"))
