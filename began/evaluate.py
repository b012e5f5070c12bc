"""Measures how varied, sharp and obedient a BEGAN's faces are, on held-out speech.

python -m began.evaluate --model MODEL --data DATASET; --model may be given again: its line comes below.
"""

import argparse
import sys
from pathlib import Path
from typing import Any

from measures.collapse import check_clips
from preprocessing.dataset import Dataset, open_dataset
from runtime import tables
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import check_output, claimed, write_json
from runtime.program import ArgumentParser, program

# Name in the table, key of the measure, digits.
TABLE = (
    ("diversity", "diversity", 2),
    ("of the mouth box", "mouth_diversity", 2),
    ("duplicates", "duplicates", 3),
    ("coverage", "coverage", 2),
    ("sharpness", "sharpness", 2),
    ("swap", "swap", 2),
    ("swap in the mouth box", "mouth_swap", 2),
    ("correlation", "correlation", 3),
    ("amplitude", "amplitude", 2),
    ("explained", "explained_variance", 3),
    ("on learned speech", "learned_diversity", 2),
)


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(
        prog="python -m began.evaluate", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", metavar="MODEL", action="append", required=True, help="model folder of mode began")
    parser.add_argument("--data", metavar="DATASET", required=True, help="prepared dataset with a train split")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument("--samples", type=int, default=1000, help="generated faces (default: 1000)")
    parser.add_argument("--json", metavar="FILE", help="also write the measures as JSON")
    parser.add_argument("--grid", metavar="FILE", help="also draw the first model: z fixed, speech fixed (a PNG)")
    return parser.parse_args()


@program
def main() -> None:
    """Evaluates, prints the table and writes the requested files."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    check_clips(dataset)
    if arguments.samples < 2:
        raise InputError(f"--samples {arguments.samples}: give at least 2")
    if arguments.grid and Path(arguments.grid).suffix.lower() != ".png":
        raise InputError(f"{arguments.grid}: the grid is a PNG file; give --grid a name that ends in .png")
    outputs = [*filter(None, (arguments.json, arguments.grid))]
    for output in outputs:
        check_output(output)
    with claimed(*outputs):
        measure(arguments, dataset)


def measure(arguments: argparse.Namespace, dataset: Dataset) -> None:
    """Loads the models, prints the table and writes the requested files."""
    import_keras()
    from began.face import load_model
    from began.figures import draw_grid
    from began.validation import evaluate

    models = [load_model(folder) for folder in arguments.model]
    report = evaluate(models, dataset, arguments.split, arguments.samples)
    print(f"{report['samples']} faces, speech of {report['clips']} {report['split']} clips\n")
    print(format_table(report["methods"]))
    if arguments.json:
        write_json(arguments.json, report)
        print(f"\nwrote {arguments.json}")
    if arguments.grid:
        draw_grid(arguments.grid, models[0], dataset.split(arguments.split))
        print(f"\nwrote {arguments.grid}")


def format_table(methods: dict[str, dict[str, Any]]) -> str:
    """The measures as an aligned Markdown table, a line per method."""
    return tables.aligned(
        ["faces", *(title for title, _, _ in TABLE)],
        (
            [name, *(tables.cell(values.get(key), digits) for _, key, digits in TABLE)]
            for name, values in methods.items()
        ),
    )


if __name__ == "__main__":
    sys.exit(main())
