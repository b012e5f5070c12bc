"""Writes a model as a TensorFlow SavedModel that needs no code of ours: speech goes in, frames come out.

FOLDER/1/ (or the next number that is free, as TensorFlow Serving expects versions) gets three signatures:

- serving_default: samples [batch, samples] of mono speech in [-1, 1] and lengths [batch] -> frames
  [batch, frames, height, width, 3], 0..255, their times and how many of them belong to each speech
- stream: a chunk of speech with the sound before and after it, lengths and start -> its frames
- features: raw MFCC maps [frames, rows, coefficients] -> frames, the head held still

assets.extra/model.json tells the rates and how much sound `stream` wants to see around a chunk.

--onnx and --litert write what `features` does as one file for ONNX Runtime or LiteRT. --onnx-model writes a model
folder that generate.py runs by ONNX Runtime, without TensorFlow.
"""

import argparse
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np

from audio2faces.export.onnx_model import MISSING, OPSET, write_onnx_model
from audio2faces.export.warm_up import prediction_log
from audio2faces.published import DEFAULT_MODEL, check_model, choice, find_model, is_onnx
from runtime.backend import import_keras
from runtime.errors import InputError, error_text
from runtime.files import (
    atomic_folder,
    atomic_write,
    check_output,
    check_output_folder,
    claimed,
    exclusive,
    make_folder,
    write_json,
)
from runtime.program import ArgumentParser, command, program
from runtime.tensorflow_files import written_by_tensorflow

EXTRA = "assets.extra"  # where TensorFlow Serving looks for requests to warm up with
WARM_SECONDS = 1.0  # of silence in each of them
BATCHING = """\
max_batch_size { value: 64 }
batch_timeout_micros { value: 5000 }
max_enqueued_batches { value: 16 }
num_batch_threads { value: 2 }
pad_variable_length_inputs: true
"""  # of TensorFlow Serving: requests that wait for each other; `lengths` tells padding from speech
NOTICE = "Frames are synthetic: a face that Audio2Faces generated from speech. Label what you show of them."


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(
        prog=command("export"), description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", type=find_model, default=DEFAULT_MODEL, metavar="MODEL", help=choice())
    parser.add_argument("--out", metavar="FOLDER", help="folder of versions of a SavedModel, made where missing")
    parser.add_argument("--onnx", metavar="FILE", help="write an ONNX file (needs the package tf2onnx)")
    parser.add_argument(
        "--onnx-model", metavar="FOLDER", help="write a model folder for ONNX Runtime (needs the package tf2onnx)"
    )
    parser.add_argument("--litert", metavar="FILE", help="write a LiteRT (TensorFlow Lite) file")
    parser.add_argument(
        "--model-version", type=int, metavar="NUMBER", help="of the model (default: the next that is free)"
    )
    parser.add_argument(
        "--half", action="store_true", help="store weights as float16, half the size (not in ONNX files)"
    )
    parser.add_argument("--still", action="store_true", help="hold the head still: no motion but that of speech")
    return parser.parse_args()


@program
def main() -> None:
    """Checks what can be checked at once, and exports."""
    arguments = parse_arguments()
    if not (arguments.out or arguments.onnx or arguments.onnx_model or arguments.litert):
        raise InputError("nothing to write: give --out FOLDER, --onnx FILE, --onnx-model FOLDER or --litert FILE")
    files = [*filter(None, (arguments.onnx, arguments.litert))]
    for path in files:
        check_output(path)
    for folder in filter(None, (arguments.out, arguments.onnx_model)):
        check_output_folder(folder)
    if arguments.model_version is not None and arguments.model_version < 1:
        raise InputError(f"--model-version {arguments.model_version}: versions are numbers from 1 on")
    check_model(arguments.model)
    if is_onnx(arguments.model):
        raise InputError(f"{arguments.model}: these networks are exported already; give the model that they come from")
    with claimed(*files, *filter(None, [arguments.onnx_model])):
        write(arguments)


def write(arguments: argparse.Namespace) -> None:
    """Loads the model and writes the requested exports, each output whether the others can be written or not.

    Raises:
        InputError: some could not.
    """
    import_keras()
    from audio2faces.trained.face import load_model

    model = load_model(arguments.model)
    dtype = "float16" if arguments.half else "float32"
    signatures, maps = "signatures serving_default, stream and features", "MFCC maps -> frames"
    outputs: list[tuple] = [
        (arguments.out, signatures, export, arguments.model_version, dtype, arguments.still),
        (arguments.onnx, maps, write_onnx),
        (arguments.onnx_model, "a model folder for generate.py, without TensorFlow", write_onnx_model),
        (arguments.litert, maps, write_litert, dtype),
    ]
    outputs = [output for output in outputs if output[0]]
    failed = 0
    for place, content, function, *settings in outputs:
        try:
            path = function(model, place, *settings)
        except (InputError, OSError) as error:
            if len(outputs) == 1:
                raise
            failed += 1
            print(f"not written: {error_text(error)}", file=sys.stderr)
            continue
        files = [path, *path.rglob("*")]
        size = sum(file.stat().st_size for file in files if file.is_file())
        print(f"wrote {path}, {size / 1e6:.1f} MB: {content}; docs/serving.md")
    if failed:
        raise InputError(f"{failed} of {len(outputs)} outputs could not be written; the reasons are above")


def export(model: Any, out: Path, version: int | None = None, dtype: str = "float32", still: bool = False) -> Path:
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
        return _export(model, out, version, dtype, still)


def _export(model: Any, out: Path, version: int | None, dtype: str, still: bool) -> Path:
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
            for name, inputs in _warm_up(face).items():
                writer.write(prediction_log(model.name, name, inputs))
    return out / str(version)


def write_onnx(model: Any, path: str | Path) -> Path:
    """Writes an ONNX file: from raw MFCC maps to frames, any number at once, the head held still.

    Args:
        model: as for `export`.
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
        model: as for `export`.
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


def _warm_up(face: Any) -> dict[str, dict[str, np.ndarray]]:
    """A small request for each signature."""
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


if __name__ == "__main__":
    sys.exit(main())
