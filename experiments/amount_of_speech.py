"""Measures how well a mouth follows by how much speech its face learned from, from a speech encoder and from nothing.

Of a speaker's training and validation clips so many minutes are drawn evenly, a tenth of them, and at least two clips,
to choose by; a face is trained on them by the preset for so much speech, the regressor alone, and measured on the test
split. Trainings that are done are not done again.
"""

import sys
import time
from pathlib import Path

import numpy as np

from experiments.splits import splits_of, with_splits
from experiments.trained_face import train_face
from preprocessing.dataset import open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import read_json, write_json
from runtime.program import ArgumentParser, number, program
from training.run_folder import in_words

MINUTES = (0.25, 0.5, 1.0, 5.0)
CHOSEN_BY = 2  # clips at least
TOOK = "took.json"  # in the folder of a training
MEASURED = ("correlation", "opening_correlation", "explained_variance")


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.amount_of_speech", description=__doc__)
    parser.add_argument("--data", metavar="DATASET", required=True, help="of one speaker")
    parser.add_argument("--encoder", metavar="FOLDER", required=True, help="trained without that speaker")
    parser.add_argument("--runs", metavar="FOLDER", type=Path, required=True, help="of the trainings")
    parser.add_argument(
        "--minutes", type=number(0.05, 1000), action="append", help="may be given again (default: .25, .5, 1 and 5)"
    )
    return parser.parse_args()


def shorter(dataset, minutes):
    """The same dataset with so many minutes of training and validation clips; the test split stays."""
    splits = splits_of(dataset)
    learned = [name for name, split in splits.items() if split != "test"]
    frames = {entry["name"]: entry["frames_kept"] for entry in dataset.manifest["clips"]}
    seconds = np.mean([frames[name] for name in learned]) / dataset.frame_rate
    count = min(len(learned), max(CHOSEN_BY + 1, round(60 * minutes / seconds)))
    kept = [learned[place] for place in np.linspace(0, len(learned), count, endpoint=False).astype(int)]
    held_out = max(CHOSEN_BY, count // 10)
    part = {name: split for name, split in splits.items() if split == "test"}
    for place, name in enumerate(kept):
        part[name] = "validation" if (place + 1) * held_out // count > place * held_out // count else "train"
    return with_splits(dataset, part)


def row(dataset, encoder, run):
    """Measures of a face on the test split, and the minutes that its training took.

    Raises:
        InputError: those in the folder of the run are of other data or another encoder.
    """
    from audio2faces.evaluate.evaluation import evaluate
    from training.frames import FrameStore

    trained_on = {"data": dataset.fingerprint, "encoder": encoder and str(encoder)}
    if (run / TOOK).exists():
        there = read_json(run / TOOK)
        if differing := {key: (there.get(key), now) for key, now in trained_on.items() if there.get(key) != now}:
            raise InputError(f"{run / TOOK}: of another training ({in_words(differing)}); choose other --runs")
        return there["row"]
    started = time.monotonic()
    model = train_face(dataset, run, encoder, "regressor")
    minutes = (time.monotonic() - started) / 60
    report, _ = evaluate([model], FrameStore(dataset), "test")
    methods = report["methods"]
    values = [*(methods["model"][name] for name in MEASURED), minutes]
    write_json(run / TOOK, trained_on | {"row": values})
    return values


@program
def main():
    """Trains and prints a table."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    import_keras()
    titles = ["speech", "from", "correlation", "opening", "explained", "minutes of training"]
    print(tables.head(titles, text=2), flush=True)
    for minutes in arguments.minutes or MINUTES:
        part = shorter(dataset, minutes)
        length = f"{60 * minutes:.0f} s" if minutes < 1 else f"{minutes:g} minute{'s' * (minutes != 1)}"
        for name, encoder in (("the encoder", arguments.encoder), ("nothing", None)):
            values = row(part, encoder, arguments.runs / f"{minutes:g}-{name.split()[-1]}")
            print(tables.row([length, name, *(f"{value:.2f}" for value in values)]), flush=True)


if __name__ == "__main__":
    sys.exit(main())
