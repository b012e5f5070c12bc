"""A model as a TensorFlow SavedModel in a folder of versions, with what TensorFlow Serving wants to know of it."""

from pathlib import Path
from typing import Any

from audio2faces.export.warm_up import prediction_log, warm_up_requests
from runtime.errors import InputError
from runtime.files import atomic_folder, exclusive, make_folder, write_json
from runtime.tensorflow_files import written_by_tensorflow

EXTRA = "assets.extra"  # where TensorFlow Serving looks for requests to warm up with
BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 16 }
num_batch_threads { value: 2 }
pad_variable_length_inputs: true
"""  # of TensorFlow Serving: requests that wait for each other; `lengths` tells padding from speech
NOTICE = "Frames are synthetic: a face that Audio2Faces generated from speech. Label what you show of them."


def write_saved_model(
    model: Any, out: Path, version: int | None = None, dtype: str = "float32", still: bool = False
) -> Path:
    """Writes a SavedModel, whole or not at all.

    Args:
        model: `FaceModel` or `began.face.BeganFace`.
        out: folder of versions, made where missing.
        version: number of the new one, None for the next that is free.
        dtype: of the weights, "float32" or "float16".
        still: holds the head still: the reference in place of the footage.

    Returns:
        path of the version's folder.

    Raises:
        InputError: the version exists, another process exports to the folder, or it cannot be written.
    """
    out = make_folder(out)
    with exclusive(out, f"{out}: another process is exporting to this folder; wait for it, or choose another --out"):
        return _write(model, out, version, dtype, still)


def _write(model: Any, out: Path, version: int | None, dtype: str, still: bool) -> Path:
    import tensorflow as tf

    from audio2faces.export.graph import ServedFace

    taken = [int(path.name) for path in out.iterdir() if path.name.isdecimal()]
    version = version or max(taken, default=0) + 1
    if version in taken:
        raise InputError(f"{out / str(version)}: exists; leave out --model-version to write the next one")
    face = ServedFace(model, dtype, still)
    with written_by_tensorflow(out / str(version)), atomic_folder(out / str(version)) as partial:
        tf.saved_model.save(face, str(partial), face.signatures())
        (partial / EXTRA).mkdir()
        write_json(
            partial / EXTRA / "model.json",
            {
                "name": model.name,
                "frame_rate": model.frame_rate,
                "sample_rate": face.features.sample_rate,
                "size": face.size,
                "rows": face.features.rows,
                "coefficients": face.features.coefficients,
                "context_samples": face.context,
                "look_ahead_samples": face.look_ahead,
                "weights": dtype,
                "notice": NOTICE,
            },
        )
        (partial / EXTRA / "batching_params.pbtxt").write_text(BATCHING, encoding="utf-8")
        with tf.io.TFRecordWriter(str(partial / EXTRA / "tf_serving_warmup_requests")) as writer:
            for name, inputs in warm_up_requests(face).items():
                writer.write(prediction_log(model.name, name, inputs))
    return out / str(version)
