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

from audio2faces.export.onnx_model import write_onnx_model
from audio2faces.export.saved_model import write_saved_model
from audio2faces.export.single_file import write_litert, write_onnx
from audio2faces.published import DEFAULT_MODEL, check_model, choice, find_model, is_onnx
from runtime.backend import import_keras
from runtime.errors import InputError, error_text
from runtime.files import check_output, check_output_folder, claimed
from runtime.program import ArgumentParser, command, program


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
        (arguments.out, signatures, write_saved_model, arguments.model_version, dtype, arguments.still),
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


if __name__ == "__main__":
    sys.exit(main())
