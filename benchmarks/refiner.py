"""Trains refiners that differ in one thing each, on the same regressor, and measures them side by side.

Rows that were trained before are read again; an interrupted row goes on.
"""

import argparse
import dataclasses
import sys
from pathlib import Path

from preprocessing.dataset import open_dataset
from preprocessing.files import read_json, write_json
from preprocessing.program import import_keras, run_program

ROWS = {  # name: what differs from the preset
    "default": {},
    "no weight on detail": {"detail": 0.0},
    "twice the weight on detail": {"detail": 4.0},
    "no weight on change": {"temporal": 0.0},
    "median error instead of mean": {"paired_power": 1, "paired": 1.0},
    "an adversary": {"adversarial": 1.0},
    "an adversary that does not hear": {"adversarial": 1.0, "conditional": False, "mismatched": 0.0},
    "an adversary instead of detail": {"adversarial": 1.0, "detail": 0.0},
}
SHOWN = (
    ("correlation", "correlation", 3),
    ("opening", "opening_correlation", 3),
    ("amplitude", "amplitude", 2),
    ("explained", "explained_variance", 3),
    ("sharpness", "sharpness", 2),
    ("mouth sharpness", "mouth_sharpness", 2),
    ("mouth PSNR", "mouth_psnr", 2),
    ("mouth SSIM", "mouth_ssim", 3),
    ("flicker", "flicker", 2),
)


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.refiner", description=__doc__)
    parser.add_argument("--run", required=True, metavar="RUN", help="of train.py --mode audio2faces: its regressor")
    parser.add_argument("--data", required=True, metavar="DATASET", help="that it was trained on")
    parser.add_argument("--out", required=True, metavar="FOLDER", help="for the refiners and their measures")
    parser.add_argument("--rows", nargs="+", choices=list(ROWS), default=list(ROWS), help="default: all")
    parser.add_argument("--steps", type=int, default=2000, help="of each refiner (default: 2000)")
    parser.add_argument("--split", choices=["validation", "test"], default="validation", help="default: validation")
    return parser.parse_args()


def main():
    """Trains and measures what is missing, and prints the table."""
    arguments = parse_arguments()
    dataset, run, out = open_dataset(arguments.data), Path(arguments.run), Path(arguments.out)
    import_keras()
    from audio2faces.config import PRESETS
    from audio2faces.evaluation import evaluate
    from audio2faces.refiner_training import train_refiner
    from audio2faces.regressor_training import train_regressor
    from audio2faces.training import trained_regressor
    from began.frames import FrameSet

    config = trained_regressor(run)
    trained = train_regressor(config, dataset, run / "regressor")
    faces = FrameSet(dataset.split("train"), config.feature_settings)
    measured = {}
    for row in arguments.rows:
        folder = out / row.replace(" ", "-")
        path = folder / f"{arguments.split}.json"
        if not path.exists():
            settings = {"size": dataset.size, "steps": arguments.steps, "decay_every": arguments.steps // 3}
            face = trained.face(row, dataset.frame_rate, faces)
            refiner_config = dataclasses.replace(PRESETS["full"].refiner, **settings, **ROWS[row])
            refiner = train_refiner(refiner_config, dataset, trained, faces, face, folder)
            report, _ = evaluate(
                [dataclasses.replace(face, refiner=refiner, articulation=trained.articulation)],
                dataset,
                arguments.split,
            )
            write_json(path, report["methods"])
        measured |= {row: read_json(path)}
    print("| refiner | reference | " + " | ".join(title for title, _, _ in SHOWN) + " |")
    print("|---|---|" + "--:|" * len(SHOWN))
    first = next(iter(measured.values()))
    rows = [("none", "its own", first["model, regressor alone"])]
    rows += [("none", "clip's first frame", first["model, regressor alone, on the clip's first frame"])]
    for row, methods in measured.items():
        rows += [(row, "its own", methods["model, refined"])]
        rows += [(row, "clip's first frame", methods["model, refined, on the clip's first frame"])]
    for name, reference, values in rows:
        print(f"| {name} | {reference} | " + " | ".join(f"{values[key]:.{digits}f}" for _, key, digits in SHOWN) + " |")


if __name__ == "__main__":
    sys.exit(run_program(main))
