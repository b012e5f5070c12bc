"""Trains a model from a prepared dataset; without --data from the sample clips, in minutes."""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

from audio2faces.config import PRESETS
from preprocessing.clips import Settings
from preprocessing.dataset import open_dataset
from preprocessing.prepare import prepare_dataset
from preprocessing.program import import_keras, run_program

SAMPLES = Path(__file__).parent / "samples"
SAMPLE_DATASET = Path(__file__).parent / "data" / "samples"
SAMPLE_LICENCE = "GRID corpus (Cooke, Barker, Cunningham, Shao 2006), CC BY 4.0"


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--mode", required=True, choices=["audio2faces"], help="audio2faces: speech to face, by MSE")
    parser.add_argument("--data", metavar="DATASET", help="prepared dataset (default: the sample clips)")
    parser.add_argument("--run", metavar="RUN", help="folder of the run; an existing one goes on (default: a new one)")
    parser.add_argument(
        "--preset", choices=sorted(PRESETS), help="settings (default: sample without --data, full with it)"
    )
    parser.add_argument("--steps", type=positive, help="training steps (default: the preset's)")
    parser.add_argument("--batch-size", type=positive, help="frames per step (default: the preset's)")
    parser.add_argument("--seed", type=seed, help="of weights, order and noise (default: 0)")
    return parser.parse_args()


def positive(text):
    """A whole number of at least 1, for argparse."""
    if not text.isdigit() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number of at least 1")
    return int(text)


def seed(text):
    """A whole number that NumPy takes as a seed, for argparse."""
    if not text.isdigit() or int(text) >= 2**32:
        raise argparse.ArgumentTypeError(f"{text!r} is no whole number from 0 to {2**32 - 1}")
    return int(text)


def main():
    """Opens or prepares the dataset, trains, and says what was written."""
    arguments = parse_arguments()
    preset = arguments.preset or ("full" if arguments.data else "sample")
    given = {"steps": arguments.steps, "batch_size": arguments.batch_size, "seed": arguments.seed}
    config = dataclasses.replace(PRESETS[preset], **{key: value for key, value in given.items() if value is not None})
    if arguments.data:
        dataset = open_dataset(arguments.data)
    else:
        dataset, _ = prepare_dataset(
            [SAMPLES], SAMPLE_DATASET, SAMPLES / "splits", Settings(size=config.size), SAMPLE_LICENCE
        )
    run_dir = Path(arguments.run or Path("runs") / f"{arguments.mode}-{time.strftime('%Y%m%d-%H%M%S')}")
    print(f"training on {dataset.folder}, run {run_dir}", file=sys.stderr)

    import_keras()
    from audio2faces.training import train_regressor

    try:
        model = train_regressor(config, dataset, run_dir)
    except KeyboardInterrupt:
        print(f"stopped; the same command with --run {run_dir} goes on from the last checkpoint", file=sys.stderr)
        raise
    print(f"wrote {model}, the weights with the lowest validation loss; try:")
    print(f"  python generate.py samples/speech.wav --model {model} --output mine.mp4")
    print(f"  python -m audio2faces.evaluate --model {model} --data {dataset.folder}")


if __name__ == "__main__":
    sys.exit(run_program(main))
