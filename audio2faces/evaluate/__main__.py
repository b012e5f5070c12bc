"""Measures a model on clips that it has never seen, beside baselines."""

import argparse
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from audio2faces.published import DEFAULT_MODEL, check_model, choice, find_model
from measures.sounds import read_phones
from preprocessing.dataset import open_dataset
from runtime.backend import import_keras
from runtime.errors import InputError
from runtime.files import check_output, claimed, write_json
from runtime.program import ArgumentParser, command, program


def parse_arguments() -> argparse.Namespace:
    """Reads the command line."""
    parser = ArgumentParser(prog=command("evaluate"), description=__doc__)
    parser.add_argument(
        "--model",
        metavar="MODEL",
        type=find_model,
        action="append",
        help=f"{choice()}. May be given again; each gets its rows",
    )
    parser.add_argument("--data", metavar="DATASET", required=True, help="prepared dataset with a train split")
    parser.add_argument("--split", choices=["validation", "test"], default="test", help="default: test")
    parser.add_argument(
        "--words",
        metavar="FOLDER",
        type=Path,
        help="also measure the mouth at b, p, m and open vowels, by the timings of each clip's words or phones in this "
        "folder (CLIP.align as GRID has them, or CLIP.txt as Audacity writes labels)",
    )
    parser.add_argument("--json", metavar="FILE", help="also write the measures as JSON")
    parser.add_argument("--strip", metavar="FILE", help="also write a PNG: a sentence, a row for each method")
    parser.add_argument(
        "--video",
        metavar="FILE",
        help="also write real | painted into the same frames | in the model's footage, side by side (where a model "
        "carries none: real | regressor | refined): three sentences as mp4, or one as silent webp",
    )
    return parser.parse_args()


@program
def main() -> None:
    """Checks what can be checked at once, and evaluates."""
    arguments = parse_arguments()
    dataset = open_dataset(arguments.data)
    for output, suffixes in ((arguments.strip, (".png",)), (arguments.video, (".mp4", ".webp"))):
        if output and Path(output).suffix.lower() not in suffixes:
            raise InputError(f"{output}: give it a name that ends in {' or '.join(suffixes)}")
    if arguments.words:
        for clip in dataset.split(arguments.split):
            read_phones(arguments.words, clip.name)
    outputs = [*filter(None, (arguments.json, arguments.strip, arguments.video))]
    for output in outputs:
        check_output(output)
    folders = arguments.model or [DEFAULT_MODEL]
    for folder in folders:
        check_model(folder)
    with claimed(*outputs):
        measure(arguments, dataset, folders)


def measure(arguments: argparse.Namespace, dataset: Any, folders: Any) -> None:
    """Loads the models, prints the table and writes the requested files."""
    import_keras()
    from audio2faces.evaluate.comparison_video import write_comparison
    from audio2faces.evaluate.evaluation import evaluate, format_table, format_verdict
    from audio2faces.evaluate.sounds import evaluate_sounds, format_sounds
    from audio2faces.figures import draw_strip
    from audio2faces.trained.face import FaceModel, load_model
    from training.frames import FrameStore

    models = [load_model(folder) for folder in folders]
    for folder, model in zip(folders, models, strict=True):
        if not isinstance(model, FaceModel):
            raise InputError(f"{folder}: made with --mode began; measure it with python -m began.evaluate")
    name, count = Counter(model.name for model in models).most_common(1)[0]
    if count > 1:
        raise InputError(f"--model: {count} models are named {name}; the table could not tell them apart")
    report, faces = evaluate(models, FrameStore(dataset), arguments.split)
    print(f"{report['model']} on {report['clips']} {report['split']} clips, {report['frames']} frames\n")
    print(format_table(report))
    left_out = (", on the ", ", in the clip's", ", in another clip's")
    own = [name for name in faces if not any(part in name for part in left_out)]
    if arguments.words:
        shown = {name: faces[name] for name in own}
        report["sounds"] = evaluate_sounds(dataset.split(arguments.split), shown, arguments.words)
        print("\n" + format_sounds(report["sounds"]))
    print("\n".join(["", *format_verdict(report)]))
    if arguments.json:
        write_json(arguments.json, report)
        print(f"\nwrote {arguments.json}")
    if arguments.strip:
        draw_strip(arguments.strip, {name: faces[name][0] for name in own})
        print(f"\nwrote {arguments.strip}")
    if arguments.video:
        write_comparison(arguments.video, models[0], dataset.split(arguments.split), faces)
        print(f"\nwrote {arguments.video}")


if __name__ == "__main__":
    sys.exit(main())
