"""Measures a model on clips it has never seen, beside baselines: python -m audio2faces.evaluate --data DATASET."""

import argparse
import sys
from pathlib import Path

from audio2faces.config import DEFAULT_MODEL
from preprocessing.dataset import open_dataset
from preprocessing.files import check_writable, write_json
from preprocessing.program import InputError, import_keras, run_program


def parse_arguments():
    """Reads the command line."""
    parser = argparse.ArgumentParser(prog="python -m audio2faces.evaluate", description=__doc__)
    parser.add_argument(
        "--model", metavar="MODEL", default=DEFAULT_MODEL, help="model folder (default: models/grid-s1)"
    )
    parser.add_argument("--data", metavar="DATASET", required=True, help="prepared dataset with a train split")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument("--json", metavar="FILE", help="also write the measures as JSON")
    parser.add_argument("--strip", metavar="FILE", help="also write a PNG: a sentence, a row for each method")
    return parser.parse_args()


def main():
    """Evaluates, prints the table and writes what was asked for."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    if arguments.strip and Path(arguments.strip).suffix.lower() != ".png":
        raise InputError(f"{arguments.strip}: the strip is a PNG file; give --strip a name that ends in .png")
    for output in filter(None, (arguments.json, arguments.strip)):
        check_writable(Path(output).parent)

    import_keras()
    from audio2faces.evaluation import evaluate, format_table
    from audio2faces.figures import draw_strip
    from audio2faces.model_folder import TalkingFace, load_model

    model = load_model(arguments.model)
    if not isinstance(model, TalkingFace):
        raise InputError(f"{arguments.model}: made with --mode began; measure it with python -m began.evaluate")
    report, first = evaluate(model, dataset, arguments.split)
    print(f"{report['model']} on {report['clips']} {report['split']} clips, {report['frames']} frames\n")
    print(format_table(report))
    if arguments.json:
        write_json(arguments.json, report)
        print(f"\nwrote {arguments.json}")
    if arguments.strip:
        draw_strip(arguments.strip, first)
        print(f"\nwrote {arguments.strip}")


if __name__ == "__main__":
    sys.exit(run_program(main))
