"""Makes a video of the model's face speaking what a sound file says."""

import argparse
import sys
import time
from pathlib import Path

from audio2faces.config import DEFAULT_MODEL
from preprocessing.files import check_writable
from preprocessing.media import sound_duration
from preprocessing.program import InputError, import_keras, run_program


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("speech", metavar="SPEECH", help="any file with sound: wav, mp3, flac, a video, ...")
    parser.add_argument(
        "--model", metavar="MODEL", default=DEFAULT_MODEL, help="model folder (default: models/grid-s1)"
    )
    parser.add_argument("--output", metavar="FILE", default="talking.mp4", help="mp4 to write (default: talking.mp4)")
    parser.add_argument("--frames", metavar="FOLDER", help="also write every face as PNG, in the model's size")
    parser.add_argument("--overwrite", action="store_true", help="replace a video that exists")
    return parser.parse_args()


def main():
    """Checks what can be checked at once, loads the model and makes the video."""
    arguments = parse_arguments()
    output = Path(arguments.output)
    sound_duration(arguments.speech)  # a wrong file is told before seconds are spent on loading
    if output.suffix.lower() != ".mp4":
        raise InputError(f"{output}: the video is an mp4 file; give --output a name that ends in .mp4")
    check_writable(output.parent)
    if output.exists() and not arguments.overwrite:
        raise InputError(f"{output}: exists already; give --overwrite to replace it, or another --output")
    if arguments.frames and Path(arguments.frames).exists():
        raise InputError(f"{arguments.frames}: exists already; give --frames the name of a new folder")

    import_keras()
    from audio2faces.generation import generate_video
    from audio2faces.model_folder import load_model

    model = load_model(arguments.model)
    began = time.monotonic()
    frames = generate_video(model, arguments.speech, output, arguments.frames)
    seconds = time.monotonic() - began
    print(
        f"wrote {output}: {frames} frames at {model.frame_rate:g}/s by {model.name}, "
        f"made in {seconds:.1f} s ({frames / seconds:.0f} frames/s)"
    )
    if arguments.frames:
        print(f"wrote {arguments.frames}: {frames} pictures of {model.config.size} pixels")


if __name__ == "__main__":
    sys.exit(run_program(main))
