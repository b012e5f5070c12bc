"""How faithful and how fast exported models are: SavedModel, ONNX and LiteRT beside generate.py and the bare networks.

Exports the model, compares the frames of ten test clips with those of generate.py, times the request of a 3-second
clip against the bare networks on as many maps (rounds in pairs), and the start of a process until its first frame.
"""

import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import numpy as np

from audio2faces.published import DEFAULT_MODEL
from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.program import ArgumentParser, program

CLIPS = 10
ONNX = """
import sys, numpy, onnxruntime
session = onnxruntime.InferenceSession(sys.argv[1])
maps = numpy.load(sys.argv[2])
session.run(None, {"maps": maps[:1]})
"""
LITERT = """
import sys, numpy
from ai_edge_litert.interpreter import Interpreter
interpreter = Interpreter(sys.argv[1], num_threads=2)
interpreter.allocate_tensors()
maps = numpy.load(sys.argv[2])
interpreter.get_signature_runner()(maps=maps[:1])
"""
TENSORFLOW = """
import sys, numpy, tensorflow
face = tensorflow.saved_model.load(sys.argv[1]).signatures["features"]
face(maps=numpy.load(sys.argv[2])[:1])
"""


@program
def main():
    """Exports, compares, times and prints."""
    parser = ArgumentParser(prog="python -m benchmarks.serving", description=__doc__)
    parser.add_argument("--model", default=DEFAULT_MODEL, help=f"model folder (default: models/{DEFAULT_MODEL.name})")
    parser.add_argument("--data", required=True, metavar="DATASET", help="of its speaker")
    parser.add_argument("--rounds", type=int, default=15, help="of each timing (default: 15)")
    arguments = parser.parse_args()
    clips = open_dataset(arguments.data).split("test")[:CLIPS]
    import_keras()
    import tensorflow as tf

    from audio2faces.export.saved_model import write_saved_model
    from audio2faces.export.single_file import write_litert, write_onnx
    from audio2faces.trained.face import FaceModel, load_model

    model = load_model(arguments.model)
    if not isinstance(model, FaceModel):
        raise InputError(f"{arguments.model}: made with --mode began; give one of --mode audio2faces")
    with tempfile.TemporaryDirectory() as scratch:
        scratch = Path(scratch)
        folders = [write_saved_model(model, scratch / "saved", dtype=dtype) for dtype in ("float32", "float16")]
        write_onnx(model, scratch / "face.onnx")
        write_litert(model, scratch / "face.tflite")
        print(f"{model.name}, {len(clips)} test clips\n\n| SavedModel | greatest difference | values that differ |")
        print("|---|--:|--:|")
        for folder, name in zip(folders, ("float32", "float16"), strict=True):
            greatest, share = differences(model, tf.saved_model.load(str(folder)).signatures, clips)
            print(f"| {name} | {greatest} | {share:.1e} |", flush=True)
        ratios = request_ratios(model, tf.saved_model.load(str(folders[0])).signatures, clips[0], arguments.rounds)
        print(f"\nrequest of {clips[0].name}: {statistics.median(ratios):.2f} x the time of the bare networks "
              f"({min(ratios):.2f} to {max(ratios):.2f}, {len(ratios)} pairs)\n")  # fmt: skip
        features = model.config.speech.feature_settings
        np.save(scratch / "maps.npy", np.zeros((1, features.rows, features.coefficients), np.float32))
        starts = {
            "Python with NumPy": ("import numpy", ""),
            "LiteRT": (LITERT, scratch / "face.tflite"),
            "ONNX Runtime": (ONNX, scratch / "face.onnx"),
            "TensorFlow, SavedModel": (TENSORFLOW, folders[0]),
        }
        print("| from the start of the process to the first frame | seconds (median, range) |\n|---|--:|")
        for name, (script, path) in starts.items():
            seconds = sorted(start(script, path, scratch / "maps.npy") for _ in range(min(arguments.rounds, 7)))
            print(f"| {name} | {statistics.median(seconds):.2f} ({seconds[0]:.2f} to {seconds[-1]:.2f}) |", flush=True)


def differences(model, signatures, clips):
    """The greatest difference in grey levels from the frames of generate.py, and the share of values that differ."""
    from audio2faces.generate.video import Options, stream_faces

    greatest, differing, values = 0, 0, 0
    for clip in clips:
        path = clip.folder / "speech.wav"
        expected = np.concatenate(list(stream_faces(model, path, model.frame_rate, Options()))).astype(int)
        samples = clip.speech(model.config.speech.feature_settings.sample_rate).astype(np.float32)
        out = signatures["serving_default"](samples=samples[None], lengths=np.int32([len(samples)]))
        difference = np.abs(out["frames"].numpy()[0] - expected)
        greatest, differing = max(greatest, int(difference.max())), differing + int((difference > 0).sum())
        values += difference.size
    return greatest, differing / values


def request_ratios(model, signatures, clip, rounds):
    """Time of a whole request over that of the networks alone on as many maps, in pairs."""
    import tensorflow as tf

    samples = clip.speech(model.config.speech.feature_settings.sample_rate).astype(np.float32)
    lengths = np.int32([len(samples)])
    speak = signatures["serving_default"]
    count = int(speak(samples=samples[None], lengths=lengths)["counts"][0])
    features = model.config.speech.feature_settings
    maps = tf.zeros((count, features.rows, features.coefficients))

    @tf.function
    def bare():
        motion = model.network(maps, training=False)
        if model.refiner is None:
            return motion
        faces = tf.zeros((count, model.config.size, model.config.size, 3)) + tf.reduce_mean(motion)
        return model.refiner([faces] * len(model.refiner.inputs), training=False)

    def seconds(function):
        begun = time.monotonic()
        function()
        return time.monotonic() - begun

    bare()
    return [
        seconds(lambda: speak(samples=samples[None], lengths=lengths)["frames"].numpy())
        / seconds(lambda: bare().numpy())
        for _ in range(rounds)
    ]


def start(script, *arguments):
    """Wall time of a process in seconds."""
    begun = time.monotonic()
    command = [sys.executable, "-c", script, *map(str, arguments)]
    subprocess.run(command, check=True, capture_output=True)
    return time.monotonic() - begun


if __name__ == "__main__":
    sys.exit(main())
