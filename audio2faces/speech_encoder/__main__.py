"""Trains a speech encoder on the datasets of several speakers: the network from which the training of a face starts.

Its code tells what a mouth does, whoever speaks. Train one where the published one does not serve: for another
language, or with many more speakers.
"""

import math
import sys
from pathlib import Path

from audio2faces.speech_encoder.config import PRESETS
from preprocessing.dataset import open_dataset
from runtime.backend import check_backend, import_keras
from runtime.errors import InputError
from runtime.files import check_output_folder
from runtime.interrupts import set_interrupt_message
from runtime.program import ArgumentParser, command, number, program


@program
def main() -> None:
    """Trains, and says what was written."""
    parser = ArgumentParser(prog="python -m audio2faces.speech_encoder", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", action="append", required=True, help="of a speaker; give several")
    parser.add_argument("--run", metavar="RUN", required=True, help="folder of the run; an existing one goes on")
    parser.add_argument("--preset", choices=list(PRESETS), default="full", help="settings (default: full)")
    parser.add_argument("--steps", type=number(1, math.inf, int), help="training steps (default: the preset's)")
    parser.add_argument("--seed", type=number(0, 2**32 - 1, int), help="of weights, order and noise (default: 0)")
    arguments = parser.parse_args()
    check_backend()
    check_output_folder(arguments.run)
    folders = [Path(folder).resolve() for folder in arguments.data]
    if len(set(folders)) < len(folders):
        raise InputError("--data: a dataset is given twice; give one of each speaker")
    datasets = [open_dataset(folder) for folder in arguments.data]
    given = {name: value for name in ("steps", "seed") if (value := getattr(arguments, name)) is not None}
    config = PRESETS[arguments.preset].updated(training=given)
    set_interrupt_message(
        f"stopped; the same command with --run {arguments.run} resumes from its last checkpoint, if any"
    )
    print("loading Keras", file=sys.stderr)
    import_keras()
    from audio2faces.speech_encoder.training import train_speech_encoder

    folder = train_speech_encoder(config, datasets, Path(arguments.run))
    print(f"wrote {folder}; train a face from it with")
    print(f"  {command('train')} --mode audio2faces --data DATASET --from {folder}")


if __name__ == "__main__":
    sys.exit(main())
