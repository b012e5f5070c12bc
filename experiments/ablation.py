"""Trains regressors, or refiners of one regressor, that differ in one thing each, and measures them side by side.

With --late, refiners start from that of the model, and adversaries from nothing. Each row leaves a model folder, which
`python -m experiments.realism` measures, too. Rows that were trained before are read again; an interrupted row goes on.
"""

import dataclasses
import sys
from pathlib import Path

import numpy as np

from experiments.splits import splits_of, with_splits
from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import exclusive, make_folder, read_json, write_json
from runtime.program import ArgumentParser, program
from training.run_folder import in_words

MINUTES = {"15 minutes of video": 15, "5 minutes of video": 5, "1 minute of video": 1}  # to train regressors on
REGRESSORS: dict[str, dict] = {  # name: what differs from the preset
    "default": {},
    **{name: {} for name in MINUTES},
    "speech as it was recorded": {"versions": 0},
    "0.365 s of speech": {"speech": {"features": "wide"}},
    "twice the dropout": {"speech": {"dropout": 0.4}},
    "half the dropout": {"speech": {"dropout": 0.1}},
    "no weight on the mouth": {"mouth_weight": 1.0},
    "whole faces, not their motion": {"motion": False},
    "2017's audio network": {"speech": {"network": "2017-leaky", "widths": (64, 128, 256, 512)}},
}
ADVERSARY = {"weight": 1.0}
REFINERS: dict[str, dict] = {
    "default": {},
    "no weight on detail": {"detail": 0.0},
    "three times the weight on detail": {"detail": 30.0},
    "the error at full size alone": {"paired": 25.0, "coarse": 0.0, "temporal": 0.2},
    "neither, as by squared error": {"paired": 25.0, "coarse": 0.0, "temporal": 0.2, "detail": 0.0},
    "no weight on change": {"temporal": 0.0},
    "gradients not clipped": {},
    "an adversary": {"adversary": ADVERSARY},
    "an adversary that does not hear": {"adversary": {**ADVERSARY, "conditional": False, "mismatched": 0.0}},
    "an adversary instead of detail": {"adversary": ADVERSARY, "detail": 0.0},
}
LATE_RATE = 1e-4  # learning rate of refiners that are trained on
LATE: dict[str, dict] = {
    "no adversary": {},
    "an adversary": {"adversary": ADVERSARY},
    "gamma 0.5": {"adversary": {**ADVERSARY, "gamma": 0.5}},
    "ten times the weight": {"adversary": {**ADVERSARY, "weight": 10.0}},
    "ten times the weight, gamma 0.5": {"adversary": {**ADVERSARY, "weight": 10.0, "gamma": 0.5}},
    "an adversary that does not hear": {"adversary": {**ADVERSARY, "conditional": False, "mismatched": 0.0}},
    "its features matched": {"adversary": {**ADVERSARY, "matched": 0.1}},
    "its features matched, ten times the weight": {"adversary": {**ADVERSARY, "matched": 1.0}},
}
REFERENCES = ("", ", on the clip's first frame")


def parse_arguments():
    """Reads the command line."""
    parser = ArgumentParser(prog="python -m experiments.ablation", description=__doc__)
    parser.add_argument("--data", required=True, metavar="DATASET", help="to train on and to measure on")
    parser.add_argument("--model", metavar="MODEL", help="trained on --data: refiners of its regressor")
    parser.add_argument("--late", action="store_true", help="refiners start from that of --model")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for what is trained, and its measures")
    parser.add_argument("--rows", nargs="+", metavar="ROW", help="names of rows (default: all)")
    parser.add_argument("--steps", type=int, default=2000, help="of each training (default: 2000)")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="default: validation")
    return parser.parse_args()


@program
def main():
    """Trains and measures what is missing, and prints the table."""
    arguments = parse_arguments()
    if arguments.late and not arguments.model:
        raise InputError("--late: give the --model whose refiner is trained on")
    known = LATE if arguments.late else REFINERS if arguments.model else REGRESSORS
    chosen = arguments.rows or list(known)
    if unknown := [row for row in chosen if row not in known]:
        raise InputError(f"--rows {unknown[0]}: no such row; choose from: {', '.join(known)}")
    dataset, out = open_dataset(arguments.data), Path(arguments.out)
    with exclusive(make_folder(out), f"{out}: another process is at work there; wait for it, or choose another --out"):
        measure(arguments, dataset, out, chosen, known)


def measure(arguments, dataset, out, chosen, known):
    """Trains and measures what is missing, and prints the table."""
    import_keras()
    from audio2faces.evaluate.evaluation import evaluate, format_table
    from audio2faces.trained.face import save_model
    from training.frames import FrameStore

    make = _maker(dataset, arguments.steps, arguments.model, arguments.late, out)
    measured = {}
    for row in chosen:
        folder = out / row.replace(" ", "-").replace(",", "")
        path = folder / f"{arguments.split}.json"
        trained = {"steps": arguments.steps, "data": dataset.fingerprint}
        if not path.exists():
            face = make(row, known[row], folder)
            save_model(folder / "model", face)
            report, _ = evaluate([face], FrameStore(dataset), arguments.split)
            write_json(path, trained | {"methods": report["methods"]})
        there = read_json(path)
        if differing := {key: (there.get(key), now) for key, now in trained.items() if there.get(key) != now}:
            raise InputError(f"{path}: of another training ({in_words(differing)}); choose another --out")
        measured[row] = there["methods"]
    rows = {}
    for row, methods in measured.items():
        if arguments.model and not rows:
            rows |= _of_references("no refiner", "model, regressor alone", methods)
        rows |= _of_references(row, "model, refined" if arguments.model else "model", methods)
    print(format_table({"methods": rows}, intervals=False))


def _shorter(dataset, minutes):
    """The dataset with so many minutes of training clips, evenly drawn from all of them by name."""
    train = dataset.split("train")
    length = sum(len(clip.times) for clip in train) / dataset.frame_rate / 60
    kept = np.linspace(0, len(train), round(len(train) * min(1, minutes / length)), endpoint=False).astype(int)
    names = {train[index].name for index in kept}
    splits = splits_of(dataset).items()
    return with_splits(dataset, {name: split for name, split in splits if split != "train" or name in names})


def _maker(dataset, steps, model, late, out):
    """The function (name, settings, folder) -> `FaceModel` trained there."""
    from audio2faces.config import SystemConfig
    from audio2faces.refiner.training import RefinerTask, train_refiner
    from audio2faces.regressor.training import RegressorTask, TrainedRegressor, train_regressor
    from audio2faces.speech_encoder.saved_encoder import encoder_of
    from audio2faces.train_system import articulate
    from audio2faces.trained.face import load_model
    from training.frames import FrameStore

    preset, settings = SystemConfig(), {"size": dataset.size, "training": {"steps": steps}}
    store = FrameStore(dataset)
    if not model:

        def regressor(name, changed, folder):
            config = preset.regressor.updated(**settings).updated(**changed)
            data = FrameStore(_shorter(dataset, MINUTES[name])) if name in MINUTES else store
            trained = train_regressor(config, data, folder)
            return articulate(trained.face(name), trained.task.mouth, data)

        return regressor

    class Unclipped(RefinerTask):
        """A refiner whose gradients are not clipped."""

        clipping = None

    class Late(RefinerTask):
        """A refiner that starts from that of the model."""

        def build(self, **options):
            started = super().build(**options)
            started.generator.set_weights(face.refiner.get_weights())
            return started

    face = load_model(model)
    channels = next((layer.filters for layer in face.refiner.layers if hasattr(layer, "filters")), preset.refiner.n)
    base = preset.refiner.updated(n=channels) if late else preset.refiner
    task = RegressorTask(face.config, store, make_folder(out / "regressor"), encoder_of(face.config))
    trained = TrainedRegressor(task, face.network)

    def refiner(name, changed, folder):
        plain = dataclasses.replace(face, name=name, refiner=None, articulation=None)
        schedule = {"halve_every": steps // 3, **({"learning_rate": LATE_RATE} if late else {})}
        config = base.updated(**settings).updated(training=schedule, **changed)
        trains = Late if late else Unclipped if name == "gradients not clipped" else RefinerTask
        network = train_refiner(config, trained, plain, folder, trains)
        return articulate(dataclasses.replace(plain, refiner=network), trained.task.mouth, store)

    return refiner


def _of_references(row, method, methods):
    """The measures of a row on its own reference face, and on the first frame of each clip, where it takes one."""
    return {row + suffix: methods[method + suffix] for suffix in REFERENCES if method + suffix in methods}


if __name__ == "__main__":
    sys.exit(main())
